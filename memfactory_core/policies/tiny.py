"""The policy that ships with the package: a causal LM of under a million parameters, made by
`memfactory build-tiny`. It reads well and is ignorant of what to remember; see tiny/."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from memfactory_core.episode import Ask
from memfactory_core.errors import PolicyError
from memfactory_core.policies import Policy
from memfactory_core.policies.copying import Guide
from memfactory_core.policies.language_model import (
    Generate,
    Generated,
    GoOn,
    LanguageModelSampler,
    Limits,
)
from memfactory_core.tiny import WEIGHTS
from memfactory_core.types import Completion, Seed

if TYPE_CHECKING:
    from transformers import Lfm2ForCausalLM, PreTrainedTokenizerBase

    from memfactory_core.policies.sharing.packing import Packed
    from memfactory_core.tiny.products import Products


class TinySampler(LanguageModelSampler):
    """The tiny model with its own fast sampler in place of `model.generate`."""

    model: Lfm2ForCausalLM
    mixes_limits = True  # who has ended costs nothing
    window = None  # its sampler ends a text with the positions

    def __init__(
        self,
        model: Lfm2ForCausalLM,
        tokenizer: PreTrainedTokenizerBase,
        *,
        seed: int | None,
        batch_size: int,
        min_p: float = 0.0,
        rounds: bool = False,
    ) -> None:
        """`rounds`: whether gradients are of rounded factors."""
        import torch

        from memfactory_core.tiny.linear import take_products
        from memfactory_core.tiny.norm import take_norms

        take_norms(model)
        take_products(model, rounds)
        self.min_p = min_p
        super().__init__(model, tokenizer, batch_size=batch_size)
        self.template.folds_system = False  # it leaves system messages out on purpose
        self.products: Products | None = None
        self._keeper: int | None = None
        self.random = torch.Generator()
        if seed is None:
            self.random.seed()
        else:
            self.random.manual_seed(seed)

    def seed(self, seed: int) -> None:
        """Its draws come from a generator of its own, which is seeded."""
        self.random.manual_seed(seed)

    def state(self) -> dict[str, Any]:
        """The state of its generator (uint8)."""
        return {"random": self.random.get_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Sets the generator to a state that `state` returned."""
        self.random.set_state(state["random"])

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Products of the model's linear layers are kept, for the pass that learns from what this thread says
        meanwhile."""
        from memfactory_core.tiny.products import Products

        if self.products is None or self.products.model is not self.model:
            self.products = Products(self.model)
        self.products.begin()
        self._keeper = threading.get_ident()
        try:
            yield
        except BaseException:
            self.products.forget()  # what was about to be multiplied was not
            raise
        finally:
            self._keeper = None

    def complete_by(
        self, generate: Generate, asks: Sequence[Ask], temperature: float
    ) -> list[Completion]:
        """As of any model; products are kept only where something is learned from one of the answers."""
        keeps = self._keeper == threading.get_ident()
        if not keeps or any(ask.trainable for ask in asks):
            return super().complete_by(generate, asks, temperature)
        keeper, self._keeper = self._keeper, None
        try:
            return super().complete_by(generate, asks, temperature)
        finally:
            self._keeper = keeper

    def forget(self) -> None:
        """Lets go the products, and the room for them."""
        self.products = None

    def recall(self, packed: Packed) -> AbstractContextManager[None]:
        """The model takes from there the products of this packed sequence, if they are known."""
        if self.products is None or self.products.model is not self.model or packed.scored is None:
            return nullcontext()
        from memfactory_core.policies.sharing.lfm2_layer import narrows_at_end

        narrows = narrows_at_end(self.model)
        ends = packed.end.asking if narrows else packed.scored
        assert ends is not None
        tokens = packed.ids_1N[0].tolist()
        return self.products.recall(tokens, packed.places, ends.tolist(), narrows)

    def generate(
        self,
        prompts: list[list[int]],
        max_tokens: Limits,
        temperature: float,
        guide: Guide | None = None,
        go_on: GoOn | None = None,
    ) -> list[Generated]:
        """Generation by tiny/sampler.py."""
        from memfactory_core.tiny import sampler

        sampled = sampler.generate(
            self.model,
            prompts,
            max_new_tokens=max_tokens,
            temperature=temperature,
            min_p=self.min_p,
            eos_id=self.tokenizer.eos_token_id,
            generator=self.random,
            guide=guide,
            go_on=go_on,
            products=self.products if self._keeper == threading.get_ident() else None,
        )
        return [Generated(one.ids, one.logprobs, one.kept) for one in sampled]


class Tiny(Policy, kind="tiny"):
    """The shipped model of under a million parameters: reads an invented language, learns on a CPU in minutes."""

    main: ClassVar[tuple[str, ...]] = ("min_p", "batch_size")
    trainable: ClassVar[bool] = True
    shipped: ClassVar[Path | None] = WEIGHTS
    copies: ClassVar[bool] = True
    small_language: ClassVar[bool] = True
    not_learned: ClassVar[tuple[str, ...]] = (
        "extract", "merge", "index", "search", "cite", "judge",
    )  # fmt: skip
    seed: Seed | None = None
    """Seed of the sampling where one talks to it; none means a different one each time. Runs draw by their own
    seed."""
    min_p: float = Field(0.1, ge=0, le=1)
    """Tokens less likely than this share of the likeliest one are never sampled: a model this small blends the
    names that it chooses among, and slips of that kind drown what reinforcement learning has to hear."""
    matmul: Literal["auto", "float32"] = "float32"
    """How gradients are multiplied: auto rounds the factors to bfloat16 where the processor multiplies these by itself
    (AVX512-BF16, AMX), float32 never does. What the policy says and how likely it was is always computed whole."""
    batch_size: int = Field(256, ge=1, le=4096)
    """How many prompts are sampled together."""

    def sampling(self, temperature: float) -> dict[str, float]:
        """The temperature, and the cut that applies with it."""
        return {"temperature": temperature, "min_p": self.min_p}

    def load(self, weights: Path | None = None) -> TinySampler:
        """The model with the shipped weights, or with those that a run saved."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from memfactory_core.policies.processor import computes_bfloat16

        folder = weights or WEIGHTS
        if not (folder / "model.safetensors").is_file():
            raise PolicyError(
                f"no weights in {folder}: the file model.safetensors is missing; "
                "train the run again, or remake the shipped weights with `memfactory build-tiny`"
            )
        model: Any = AutoModelForCausalLM.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
        sampler = TinySampler(
            model,
            tokenizer,
            seed=self.seed,
            batch_size=self.batch_size,
            min_p=self.min_p,
            rounds=self.matmul == "auto" and computes_bfloat16(),
        )
        sampler.dialect = self.dialect
        return sampler
