"""The weights of a run: those that it ended with and its checkpoints, whole ones only."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from memfactory_core.config import RunConfig, build
from memfactory_core.errors import PolicyError, RunError
from memfactory_core.policies.roles import START
from memfactory_core.runs import database
from memfactory_core.runs.disk import write_json
from memfactory_core.runs.tables import Run

SEAL = "files.json"
"""The file of a checkpoint that says which other files it has, and their length in bytes."""
TRAINS = ("train", "imitate")
"""The modes that end with weights of a policy."""
STAGE = "imitation"
"""The folder of the imitation that comes before a training."""
LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors file's header, the limit of the format."""


def checkpoints(folder: Path) -> dict[int, Path]:
    """The whole checkpoints of a run's folder by step, the latest first."""
    return {step: path for step, path in written_checkpoints(folder).items() if not damage(path)}


def last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint of a run's folder, or None."""
    written = written_checkpoints(folder).values()
    return next((path for path in written if not damage(path)), None)


def final_weights(folder: Path) -> Path | None:
    """The folder of the weights that a run ended with, or None where it has none."""
    end = folder / "policy"
    return end if any(end.glob("*.safetensors")) else None


def imitation_folder(folder: Path, config: RunConfig) -> Path:
    """Where in a run's folder the checkpoints and the weights of imitation lie: a stage has a place of its own, a run
    that does nothing else has its folder."""
    return folder if config.mode == "imitate" else folder / STAGE


def imitated_weights(folder: Path, config: RunConfig) -> Path | None:
    """The folder of the weights that a run's imitation ended with, or None where it has not."""
    return final_weights(imitation_folder(folder, config)) if config.imitates else None


def tidy(folder: Path) -> list[str]:
    """Makes a run's folder ready to be gone on with; what was found, in words. Half a policy that a killed worker left
    is removed. Weights that were written to their end and are damaged all the same are renamed: resuming would
    write new files among theirs."""
    shutil.rmtree(folder / "policy.part", ignore_errors=True)
    ends = [path for path in (folder / "policy",) if path.is_dir()]
    notes = []
    for path in [*ends, *written_checkpoints(folder).values()]:
        why = damage(path, inside=True)
        if why:
            aside = path.with_name(f"damaged-{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            notes.append(f"{path.name} is damaged ({why}) and was put aside")
    if notes:
        found = last_checkpoint(folder)
        notes.append(f"went on from {found.name if found else 'the beginning'}")
    return notes


def seal(checkpoint: Path) -> None:
    """Notes which files a checkpoint that was just written has, and how long they are. It may be sealed again: where
    a run is stopped in the step after."""
    files = {
        path.name: path.stat().st_size
        for path in checkpoint.iterdir()
        if path.is_file() and path.name != SEAL
    }
    write_json(checkpoint / SEAL, files)


def require_finite(model: Any) -> None:
    """PolicyError where a model holds NaN or infinite weights: sampling from it would end in an error of the library's
    that names no cause."""
    for name, tensor in model.named_parameters():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise PolicyError(f"the policy's weights are no numbers: {name} holds NaN or infinity")


def damage(folder: Path, inside: bool = False) -> str:
    """What is wrong with a folder of weights, in words; "" where it is whole. Every file is read as far as it takes to
    see that its end is there, the trainer's state to its last byte where `inside`; pickles are never loaded."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if not any(name.endswith(".safetensors") for name in names):
        return "it has no weights"
    if "trainer_state.json" in names:
        missing = sorted({"optimizer.pt", "scheduler.pt"} - names)
        missing += [] if any(name.startswith("rng_state") for name in names) else ["rng_state.pth"]
        if missing:
            return f"{missing[0]} is missing"
    try:
        for name in sorted(names):
            _read_end(folder / name, inside)
        sealed = json.loads((folder / SEAL).read_text()) if SEAL in names else {}
        for name, size in sealed.items():
            if name == SEAL:
                continue  # versions up to 0.2.0 noted it too, when they sealed again
            if not (folder / name).is_file():
                return f"{name} is missing"
            if (folder / name).stat().st_size != size:
                return f"{name} has not the length it was written with"
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        return str(error)
    return ""


def _read_end(path: Path, inside: bool) -> None:
    """ValueError where a file ends before its end, or, where `inside`, does not hold what was written."""
    if path.suffix == ".json":
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path.name} is not JSON") from error
    elif path.suffix == ".safetensors":
        _read_header(path)
    elif path.suffix in (".pt", ".pth", ".bin"):
        try:
            with zipfile.ZipFile(path) as kept:  # the table of contents is at the end
                broken = kept.testzip() if inside else None
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path.name} is cut short") from error
        if broken:
            raise ValueError(f"{path.name} is damaged inside")


def _read_header(path: Path) -> None:
    """A safetensors file is 8 bytes with the length of its header, the header (JSON), and the numbers; the header
    says where they end."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(LONGEST_HEADER, size - 8):
            raise ValueError(f"{path.name} is cut short")
        try:
            header = json.loads(file.read(length))
            ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"{path.name} has no readable header") from error
    if 8 + length + max(ends, default=0) != size:
        raise ValueError(f"{path.name} is cut short")


def written_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints that were written to their end, the latest first: the trainer's state is written last, so
    a folder without it is half a checkpoint."""
    found = {
        int(number): path.parent
        for path in folder.glob("checkpoints/checkpoint-*/trainer_state.json")
        if (number := path.parent.name.removeprefix("checkpoint-")).isdecimal()
    }
    return dict(sorted(found.items(), reverse=True))


def trained_policy(run: Run, config: RunConfig, step: int | None = None) -> Path | None:
    """The folder of the weights that a run ended with, or had at the checkpoint of `step`; None where it did
    not train. RunError where they are missing."""
    if config.mode not in TRAINS:
        return None
    folder = Path(run.folder)
    if step is not None:
        return _checkpoint(run.id, checkpoints(folder), step)
    end = final_weights(folder)
    if end is None:
        raise RunError(
            f"run {run.id} has no trained weights in {folder / 'policy'} (state: {run.state}); "
            "let it finish, or resume it with `memfactory resume`"
        )
    return end


def start_weights(engine: Engine, config: RunConfig) -> Path | None:
    """The folder of the weights that a run starts from where they are another run's; None means its policy's
    own. RunError where that run is gone or has none."""
    if config.weights is None:
        return None
    other = database.get_run(engine, config.weights)
    started = build(other.settings, f"run {other.id}")
    if config.weights_step == 0:
        return start_weights(engine, started)
    return trained_policy(other, started, config.weights_step)


def ancestors(engine: Engine, config: RunConfig) -> list[RunConfig]:
    """The configurations of the runs whose weights a run starts from, the nearest first. RunError where one is
    gone."""
    found, seen = [], set()
    while config.weights and config.weights not in seen:
        seen.add(config.weights)
        other = database.get_run(engine, config.weights)
        config = build(other.settings, f"run {other.id}")
        found.append(config)
    return found


def role_weights(engine: Engine, config: RunConfig, folder: Path | None = None) -> Path | None:
    """The folder that a role's policy "start" stands for: what the training of the run in `folder` (None: not begun)
    starts from, which is what imitation ended with where there was one. An evaluation of trained weights keeps the
    partner that they were trained beside. RunError where that one is not here."""
    while config.mode not in TRAINS and config.weights is not None:
        other = database.get_run(engine, config.weights)
        # of weights_step 0, what that run started with, the partner is that of before its imitation
        folder = Path(other.folder) if config.weights_step != 0 else None
        config = build(other.settings, f"run {other.id}")
    if folder is None or not config.imitates:
        return start_weights(engine, config)
    imitated = imitated_weights(folder, config)
    if imitated is None and START in config.roles.values() and final_weights(folder):
        raise RunError(
            f"{folder / STAGE / 'policy'} is not here: roles of this run are played by the weights that its "
            "imitation ended with"
        )
    return imitated or start_weights(engine, config)


def _checkpoint(run_id: str, kept: dict[int, Path], step: int) -> Path:
    if step not in kept:
        known = ", ".join(map(str, sorted(kept))) or "none"
        raise RunError(f"run {run_id} has no checkpoint of step {step}; it has: {known}")
    return kept[step]
