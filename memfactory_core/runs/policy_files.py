"""The files of a trained policy on their way out of this machine: no code, no paths, nothing that its base has."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.models.catalogue import find_known
from memfactory_core.models.resolve import find_fetched, resolve_model
from memfactory_core.runs.bundle import POLICY_ENDINGS

ADAPTER = "adapter_config.json"
"""The file of a folder that holds adapters instead of a whole model."""
KEPT_OF_ADAPTERS = (ADAPTER, "adapter_model.safetensors")
"""What adapters consist of. What else training leaves is the base's, or a card that names this machine's folders."""


def copy_policy(source: Path, target: Path, base: str, half: bool = False) -> None:
    """Copies what is needed to answer with the policy. Adapters call their base `base`; where that is empty, what they
    called it in training. `half` writes float32 weights as bfloat16: half the bytes, and some answers may differ."""
    adapters = (source / ADAPTER).is_file()
    for path in source.iterdir():
        # a trainer may leave pickles with this machine's paths
        if not path.is_file() or not path.name.lower().endswith(POLICY_ENDINGS):
            continue
        if adapters and path.name not in KEPT_OF_ADAPTERS:
            continue
        if half and path.suffix == ".safetensors":
            _write_half(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)
    if adapters and base:
        values = json.loads((target / ADAPTER).read_text(encoding="utf-8"))
        values["base_model_name_or_path"] = base
        (target / ADAPTER).write_text(json.dumps(values, indent=2), encoding="utf-8")


def copy_tokenizer(target: Path, config: RunConfig) -> None:
    """Adds the base's tokenizer to a policy that has none. RunError where the base is not here."""
    if (target / "tokenizer_config.json").exists() or not (model := base_name(config)):
        return
    try:
        found = resolve_model(model)
    except ConfigError as error:
        raise RunError(f"the tokenizer of {model!r} is not here: {error}") from error
    for path in [*found.glob("*token*"), *found.glob("chat_template*")]:
        if path.suffix in POLICY_ENDINGS:
            shutil.copyfile(path, target / path.name)


def base_name(config: RunConfig) -> str:
    """What the settings call the model that was trained; "" for the shipped tiny policy."""
    return str(getattr(config.policy, "model", ""))


def public_name(config: RunConfig) -> str:
    """The hub id of the model that was trained, "" where it has none."""
    name = base_name(config)
    known, fetched = find_known(name), find_fetched(name)
    if fetched and fetched.source == "hub":
        return fetched.origin
    if known:
        return known.hub
    return name if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not Path(name).exists() else ""


def _write_half(source: Path, target: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(source)
    halved = {
        name: tensor.to(torch.bfloat16) if tensor.dtype == torch.float32 else tensor
        for name, tensor in tensors.items()
    }
    save_file(halved, target, metadata={"format": "pt"})
