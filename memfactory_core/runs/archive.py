"""Runs that travel, as a folder or as one file: everything the pages show of a run, without the machine it was made on.

A bundle holds run.json (the row and the configuration), metrics.json, episodes.jsonl.gz (phase, step and the
whole episode a line) and policy/ (the trained weights)."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, or_
from sqlmodel import Session, col, select

from memfactory_core.config import build
from memfactory_core.errors import RunError
from memfactory_core.runs import bundle_file, disk, jobs, recording
from memfactory_core.runs.bodies import Pattern, unpack_json
from memfactory_core.runs.bundle import EPISODES, METRICS, RECORD, Bundle, RunRow
from memfactory_core.runs.incoming import bring_in, find_run
from memfactory_core.runs.policy_files import base_name, copy_policy, public_name
from memfactory_core.runs.record import read
from memfactory_core.runs.tables import SHARED, EpisodeRow, ExampleRow, Metric, Run

AT_ONCE = 64
"""Episodes that are read at a time."""


def export_run(
    engine: Engine, run: Run, target: Path, every: int = 1, sampled: bool = True,
    weights: bool = True, half: bool = False,
) -> Path:  # fmt: skip
    """Writes a run into a folder, or into one file where `target` ends in .zip or .tar.gz: of the training episodes
    those of every `every`-th step, of the evaluations the greedy attempts and, where `sampled`, those at temperature 1;
    the policy where `weights`, in bfloat16 where `half`. RunError where the target is there or cannot be written."""
    try:
        if not bundle_file.is_file_name(target):
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise RunError(f"{target} is not empty; name a new folder")
            return _write_folder(engine, run, target, every, sampled, weights, half)
        if target.exists():
            raise RunError(f"{target} is there already; name a new file")
        staging = tempfile.mkdtemp(prefix=f".export.{os.getpid()}.", dir=jobs.root())
        try:
            bundle_file.pack(
                _write_folder(engine, run, Path(staging), every, sampled, weights, half), target
            )
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return target
    except (OSError, shutil.Error) as error:
        raise RunError(
            f"cannot write {target}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _write_folder(
    engine: Engine, run: Run, folder: Path, every: int, sampled: bool, weights: bool, half: bool
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    record = read(Path(run.folder))
    record["run"] = run.model_dump(include=set(RunRow.model_fields))
    (folder / RECORD).write_text(json.dumps(record, indent=1))
    at = col(EpisodeRow.step)
    wanted = [col(EpisodeRow.run_id) == run.id]
    if every > 1:
        wanted.append(or_(col(EpisodeRow.phase) != "train", at % every == 0, at == 1))
    if not sampled:
        wanted.append(col(EpisodeRow.phase).not_like("%/sampled"))
    with Session(engine) as session:
        metrics = session.exec(select(Metric).where(Metric.run_id == run.id)).all()
        lines = [[m.name, m.step, m.value] for m in metrics]
        (folder / METRICS).write_text(json.dumps(lines))
        columns = select(EpisodeRow.phase, EpisodeRow.step, EpisodeRow.body, ExampleRow.pattern)
        chosen = columns.join(ExampleRow, SHARED, isouter=True).where(*wanted)
        rows = session.exec(chosen.execution_options(yield_per=AT_ONCE))
        with gzip.open(folder / EPISODES, "wb", compresslevel=6) as file:
            for phase, step, body, pattern in rows:
                # JSON already: read and written again it would be the same
                whole = unpack_json(body, pattern)
                file.write(f"[{json.dumps(phase)}, {step}, ".encode() + whole + b"]\n")
    policy = Path(run.folder) / "policy"
    if weights and policy.is_dir():
        (folder / "policy").mkdir()
        config = build(run.settings, f"run {run.id}")
        base = public_name(config) or Path(base_name(config)).name  # no folder of this machine
        copy_policy(policy, folder / "policy", base, half)
    return folder


def import_run(engine: Engine, source: Path) -> Run:
    """Brings a folder or a file that `export_run` wrote into the database, under an id that follows from its content:
    the same bundle again gives the run that is there. RunError, and nothing left behind, where anything in it is not
    as `export_run` writes it."""
    if not source.is_file():
        return _import_folder(engine, source)
    try:
        with bundle_file.unpacked(source, jobs.root()) as folder:
            try:
                return _import_folder(engine, folder)
            except RunError as error:
                raise RunError(str(error).replace(str(folder), str(source))) from error
    except OSError as error:
        raise RunError(f"cannot unpack {source}: {error.strerror}") from error


def _import_folder(engine: Engine, folder: Path) -> Run:
    bundle = Bundle(folder)
    run_id = f"import-{bundle.digest()[:16]}"
    known = find_run(engine, run_id)
    if known:
        return known
    bundle.check_weights()
    rows = _rows(bundle, run_id)
    kept = bundle.record.model_dump(mode="json", exclude={"run"}, exclude_none=True)
    values = bundle.record.run.values() | {
        "id": run_id, "config": json.dumps(bundle.settings), "results": json.dumps(bundle.results),
    }  # fmt: skip
    record = kept | {"id": run_id, "created": values["created"], "config": bundle.settings}
    return bring_in(engine, str(folder), values, rows, lambda place: _stage(bundle, place, record))


def _rows(bundle: Bundle, run_id: str) -> recording.Rows:
    """Everything of a bundle that goes into tables beside the run's own row."""
    points = {(name, step): value for name, step, value in bundle.points()}
    metrics = [
        {"run_id": run_id, "name": name, "step": step, "value": value}
        for (name, step), value in points.items()
    ]
    rows: recording.Rows = {Metric: metrics}
    seen: set[str] = set()
    known: dict[str, Pattern] = {}
    for phase, step, episode in bundle.episodes():
        if episode.id in seen:
            raise RunError(f"{bundle.folder}: two episodes are called {episode.id[:80]!r}")
        seen.add(episode.id)
        try:
            found = recording.episode_rows(run_id, phase, step, [episode], known)
        except Exception as error:  # of a trace that contradicts itself anything may be raised
            raise RunError(
                f"{bundle.folder}: the episode {episode.id[:80]!r} does not hold together "
                f"({type(error).__name__}: {error})"
            ) from error
        for table, values in found.items():
            rows.setdefault(table, []).extend(values)
    return rows


def _stage(bundle: Bundle, staging: Path, record: dict[str, Any]) -> None:
    """The files of the run's folder, in a place that no run is looked for."""
    disk.write_json(staging / RECORD, record)
    for name, path in bundle.files.items():
        if name.startswith("policy/"):
            (staging / "policy").mkdir(exist_ok=True)
            shutil.copyfile(path, staging / name, follow_symlinks=False)
