"""Any causal language model that transformers can load, whole or with LoRA adapters (PEFT)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from memfactory_core.component import Part
from memfactory_core.dialects import Dialect
from memfactory_core.dialects.chat import Chat
from memfactory_core.errors import ConfigError, PolicyError
from memfactory_core.models.resolve import ChatModelName, resolve_model
from memfactory_core.policies import Policy
from memfactory_core.policies.continuous import ContinuousSampler, require_pages
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.processor import computes_bfloat16, use_threads


class HF(Policy, kind="hf"):
    """A causal language model by its hub name or folder: Qwen3, Llama and the like, whole or with LoRA."""

    trainable: ClassVar[bool] = True
    copies: ClassVar[bool] = True
    dialect: Part[Dialect] = Chat()
    """How it is spoken to and read."""
    model: ChatModelName = "Qwen/Qwen3-0.6B"
    """The model: a known name (smollm2-135m), its folder or its hub id; `memfactory get NAME` fetches it."""
    lora_rank: int = Field(0, ge=0, le=1024)
    """Rank of LoRA adapters on all linear layers; 0 trains every weight."""
    lora_alpha: int = Field(32, ge=1, le=4096)
    """Scale of the adapters."""
    dtype: Literal["auto", "float32", "bfloat16", "mixed"] = "auto"
    """Number format of the weights; auto is bfloat16 on a GPU that has it, and under adapters on a processor that
    computes in it (AVX512-BF16, AMX), float32 elsewhere. Mixed keeps them in float32 and computes in bfloat16: steps of
    1e-6 on whole models would be rounded away in bfloat16 weights. Adapters are kept in float32 always."""
    gradient_checkpointing: bool = False
    """Trade time for memory in training."""
    thinking: bool = False
    """Whether chat templates that know it (Qwen3) let the model think first."""
    engine: Literal["transformers", "continuous"] = "transformers"
    """What generates. Transformers: the model's own pass, which reads once what prompts share where `share_prompts` is
    exact, else `model.generate`. Continuous: transformers' continuous batching, which gives the room of an answer that
    has ended to the next prompt; slower on a processor, tried on no GPU here. Copied writes and streaming in the chat
    stay with the first."""
    share_prompts: bool = True
    """Compute once what prompts have in common (instructions; the first prompt of a group's attempts), in sampling
    and training: the same result in less time. Only where that is exact for the model: attention over all tokens and
    no experts, as in Llama and Qwen3."""
    threads: int = Field(0, ge=0, le=1024)
    """Threads on a CPU; 0 is as many as cores are free when the model is loaded, and what OMP_NUM_THREADS says where
    it is set."""
    batch_size: int = Field(32, ge=1, le=4096)
    """How many prompts are sampled together at most."""
    batch_tokens: int = Field(65_536, ge=1, le=2**31)
    """How many tokens are sampled together at most, prompts and what may follow them: long prompts come in smaller
    batches. What the model remembers of each token bounds this (a Qwen3-0.6B: 112 KiB in bfloat16)."""

    @model_validator(mode="after")
    def _fits_engine(self) -> HF:
        if self.engine == "continuous" and self.dtype == "mixed":
            raise ValueError(
                "engine 'continuous' keeps keys and values in the weights' format, and dtype 'mixed' computes in "
                "another: choose dtype 'float32' or 'bfloat16', or engine 'transformers'"
            )
        return self

    def require_engine(self) -> None:
        """ConfigError where the settings of the model show that the engine cannot generate with it; quick."""
        if self.engine == "continuous":
            require_pages(self.model, resolve_model(self.model))

    def load(self, weights: Path | None = None) -> LanguageModelSampler:
        """The model on the GPU where there is one; `weights` may hold a whole model or LoRA adapters. PolicyError where
        it cannot be loaded, or the engine does not fit it."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            use_threads(self.threads)
        whole = weights is not None and (weights / "config.json").is_file()
        source = str(weights) if whole else self.model
        try:
            own = str(resolve_model(self.model))
            model: Any = AutoModelForCausalLM.from_pretrained(
                source if whole else own, dtype=self._dtype(device)
            )
            tokenizer = AutoTokenizer.from_pretrained(own)
        except (OSError, ValueError, ConfigError) as error:
            reason = str(error).strip().splitlines()[0]
            raise PolicyError(f"cannot load the model {source!r}: {reason}") from error
        if weights is not None and not whole:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, weights, is_trainable=True)
        if tokenizer.chat_template is None:
            raise PolicyError(
                f"the tokenizer of {self.model!r} has no chat template; choose a chat model"
            )
        made_by = ContinuousSampler if self.engine == "continuous" else LanguageModelSampler
        sampler = made_by(model.to(device), tokenizer, self.batch_size)
        sampler.template.options = {"enable_thinking": self.thinking}
        sampler.dialect = self.dialect
        sampler.batch_tokens = self.batch_tokens
        sampler.share_prompts = self.share_prompts
        # adapters are in float32 though the model is not; training computes them in bfloat16 too
        sampler.half = self.training_arguments()["bf16"]
        if isinstance(sampler, ContinuousSampler):
            sampler.try_out()
        return sampler

    def _dtype(self, device: str) -> Any:
        import torch

        if self.dtype != "auto":
            return torch.float32 if self.dtype == "mixed" else getattr(torch, self.dtype)
        if device == "cuda":
            fast = torch.cuda.is_bf16_supported()
        else:
            fast = self.lora_rank > 0 and computes_bfloat16()
        return torch.bfloat16 if fast else torch.float32

    def trainer_options(self, model: Any) -> dict[str, Any]:
        """What TRL's trainer needs to know: adapters to add, where the model has none from an earlier run."""
        if not self.lora_rank:
            return {}
        from peft import LoraConfig, PeftModel

        if isinstance(model, PeftModel):
            return {}
        adapters = LoraConfig(
            r=self.lora_rank, lora_alpha=self.lora_alpha, target_modules="all-linear",
            task_type="CAUSAL_LM",
        )  # fmt: skip
        return {"peft_config": adapters}

    def training_arguments(self) -> dict[str, Any]:
        """What TRL's configuration needs to know: precision and checkpointing."""
        import torch

        half = self._dtype("cuda" if torch.cuda.is_available() else "cpu") is torch.bfloat16
        half = half or self.dtype == "mixed"
        return {"bf16": half, "gradient_checkpointing": self.gradient_checkpointing}
