"""A quantised .gguf file as a folder that every part of the lab can load: bfloat16 weights, tokenizer, template."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from memfactory_core.errors import ConfigError
from memfactory_core.models.progress import Tell

NOT_KEPT = {"quantization_config", "_name_or_path", "transformers_version", "dtype", "torch_dtype"}


def convert_gguf(file: Path, folder: Path, tell: Tell) -> None:
    """Writes the model of a .gguf file into `folder`. ConfigError where transformers cannot read it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    tell("reading the quantised weights", 0, 0)
    logging.disable_progress_bar()
    source: dict[str, Any] = {
        "pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name,
    }  # fmt: skip
    try:
        tokenizer = AutoTokenizer.from_pretrained(**source)
        quantised: Any = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"cannot read {file.name}: {reason}") from error
    settings = quantised.config.to_dict()
    config = type(quantised.config)(**{k: v for k, v in settings.items() if k not in NOT_KEPT})
    # transformers refuses to save a model that calls itself quantised, even after its weights were unpacked
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(quantised.state_dict())
    model.tie_weights()
    tell("writing bfloat16 weights", 0, 0)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    # a .gguf file names no longest text of its tokenizer, which the model has
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.save_pretrained(folder)
