"""A trained policy as a folder that the Hugging Face hub and its libraries know: weights or adapter, tokenizer, and a
model card that says what it was trained on, how it did, and how it is loaded without this project."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from memfactory_core.config import RunConfig, build
from memfactory_core.errors import RunError
from memfactory_core.explain.stages import find_stretches
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.policy_files import base_name, copy_policy, copy_tokenizer, public_name
from memfactory_core.runs.record import read
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import trained_policy

OURS = "apache-2.0"
"""The licence of the shipped tiny policy."""
SHOWN = re.compile(r"(greedy|sampled|scrambled)/[^/]+")
"""Results of the card: those over all examples, not those of one category."""


def export_to_hub_folder(run: Run, folder: Path) -> Path:
    """Writes the policy that a run ended with, with `README.md`, `recipe.toml` and `results.json`, whole or not at
    all. RunError where the run trained none, or the folder has files in it."""
    config = build(run.settings, f"run {run.id}")
    weights = trained_policy(run, config)
    if weights is None:
        raise RunError(
            f"run {run.id} trained no policy (mode {config.mode}); export it as a bundle"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not empty; name a new folder")
    record = read(Path(run.folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            copy_policy(weights, part, public_name(config))
            copy_tokenizer(part, config)
            (part / "README.md").write_text(
                "\n".join(_card(run, config, record, part)), encoding="utf-8"
            )
            (part / "recipe.toml").write_text(config.to_toml(), encoding="utf-8")
            (part / "results.json").write_text(json.dumps(run.summary, indent=1))
            part.chmod(0o777 & ~_umask())
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _licence(config: RunConfig, record: Mapping[str, Any]) -> str:
    """The licence of the base, as its source states it."""
    if not base_name(config):
        return OURS
    models = record.get("models")
    found = models.get(base_name(config)) if isinstance(models, dict) else None
    stated = found.get("licence") if isinstance(found, dict) else None
    return str(stated or "unknown").lower()


def _card(run: Run, config: RunConfig, record: Mapping[str, Any], folder: Path) -> Iterator[str]:
    adapter = (folder / "adapter_config.json").exists()
    base, licence = public_name(config), _licence(config, record)
    versions = _table(record, "versions")
    yield "---"
    # JSON's texts are YAML's too: a name cannot end the header or add to it
    known = licence not in ("unknown", "other")
    yield f"license: {json.dumps(licence if known else 'other')}"
    if not known:
        yield 'license_name: "unknown: that of the base model"'
    if base:
        yield f"base_model: {json.dumps(base)}"
    yield f"library_name: {'peft' if adapter else 'transformers'}"
    yield "pipeline_tag: text-generation"
    yield "tags: [memory, agents, grpo, memfactory-lab]"
    yield "---"
    yield f"\n# {_plain(config.name)}\n"
    yield _plain(config.about) + "\n" if config.about else ""
    kind = (
        f"a LoRA adapter (rank {getattr(config.policy, 'lora_rank', 0)})" if adapter else "weights"
    )
    yield (
        f"This is {kind} trained with GRPO by MemFactory Lab {_plain(versions.get('memfactory-lab', ''))}: a policy "
        f"that decides what an agent's memory keeps. Paradigm `{config.paradigm.kind}`, task `{config.task.kind}`, "
        f"{run.step:,} steps of {config.training.groups} x {config.training.group_size} episodes, seed {config.seed}. "
        f"{_stages(run, config)}`recipe.toml` holds every setting."
    )
    yield "\n## Base and licence\n"
    yield (
        f"Base: {_plain(base or base_name(config) or 'the tiny policy of MemFactory Lab')}. Licence of the base: "
        f"{_plain(licence)}. What was trained is derived from it."
    )
    yield "\n## Results\n"
    yield from _results(run, config)
    yield "\n## Data\n"
    yield from _data(record)
    yield "\n## Made with\n"
    yield from (f"- {_plain(name)} {_plain(number)}" for name, number in sorted(versions.items()))
    yield "\n## How to load it\n"
    yield from _loading(adapter)


def _stages(run: Run, config: RunConfig) -> str:
    """How many of a training's steps had another form of the task; "" where none had."""
    stretches = find_stretches(config.dump()["training"])
    early = max((one.last for one in stretches if one.changed), default=0)
    return (
        f"The first {min(early, run.step):,} are of a stage (`training.stages`). " if early else ""
    )


def _results(run: Run, config: RunConfig) -> Iterator[str]:
    """A table of the scores with their intervals."""
    summary, shown = run.summary, Shown(config.reward)
    whens = [when for when in ("untrained", "before", "after") if summary.get(when)]
    paths = dict.fromkeys(path for when in whens for path in summary[when] if SHOWN.fullmatch(path))
    if not paths:
        yield "None: the run was not measured."
        return
    yield f"| Score | {' | '.join(f'{when} training' for when in whens)} |"
    yield "|---" * (len(whens) + 1) + "|"
    for path in paths:
        mode, name = path.split("/")
        how = f"avg@{config.evaluation.samples}" if mode == "sampled" else mode
        cells = [_figures(summary[when].get(path)) for when in whens]
        yield f"| {_plain(shown.title(name))} ({how}) | {' | '.join(cells)} |"
    yield "\nMean and 95% interval (bootstrap over texts) on held-out examples, n of them."


def _figures(value: Mapping[str, Any] | None) -> str:
    if not value:
        return "-"
    bounds = "" if value["low"] is None else f" [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value['mean']:.3f}{bounds}, n={value['n']}"


def _data(record: Mapping[str, Any]) -> Iterator[str]:
    """The data files by their names, without the folders of this machine, and their sha256."""
    files, measured = _table(record, "files"), _table(record, "measured")
    for name, digest in sorted(files.items()):
        yield f"- `{_plain(Path(name).name)}` sha256 `{_plain(digest)}`"
    if not files:
        yield "- No file: the examples are made by the task from the seed."
    if measured:
        counts = (f"{measured.get(name)} {name}" for name in ("examples", "questions", "texts"))
        yield f"- Measured on {_plain(measured.get('task', ''))}: {_plain(', '.join(counts))}"
    for name, model in sorted(_table(record, "models").items()):
        for file, digest in sorted(_table(model, "sha256").items()):
            yield f"- Base `{_plain(Path(name).name)}`, `{_plain(file)}`: sha256 `{_plain(digest)}`"


def _loading(adapter: bool) -> Iterator[str]:
    """Code that needs transformers (and peft) alone."""
    library, name = (
        ("peft", "AutoPeftModelForCausalLM")
        if adapter
        else ("transformers", "AutoModelForCausalLM")
    )
    yield "```python"
    yield f"from {library} import {name}"
    yield "from transformers import AutoTokenizer\n"
    yield 'folder = "."  # this folder, or its name on the hub'
    yield f"model = {name}.from_pretrained(folder)"
    yield "tokenizer = AutoTokenizer.from_pretrained(folder)"
    yield "```\n"
    yield "It was trained within its paradigm's prompts; outside of them it is a language model like another."


def _table(values: Any, name: str) -> dict[str, Any]:
    """A table of a record, which may be somebody else's; {} where it is none."""
    found = values.get(name) if isinstance(values, Mapping) else None
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> str:
    """A text within Markdown, on one line and without a meaning of its own."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*\[\]<>|#])", r"\\\1", text)
