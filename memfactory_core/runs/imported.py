"""A memory log of another agent as a run of the kind "imported": its episodes are looked into like any others, nothing
can be trained or played again. The same log again gives the run that is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.errors import RunError
from memfactory_core.logs.episodes import to_episodes
from memfactory_core.logs.files import KINDS, LARGEST, read_log
from memfactory_core.runs import database, disk, recording
from memfactory_core.runs.bundle import RECORD
from memfactory_core.runs.incoming import bring_in, find_run
from memfactory_core.runs.tables import Run
from memfactory_core.text import one_line

MODE = "imported"
PHASE = "imported"


def read_files(paths: list[Path]) -> dict[str, bytes]:
    """The contents of log files by their names. RunError, in one line, where one cannot be read."""
    found: dict[str, bytes] = {}
    for path in paths:
        try:
            if path.stat().st_size > LARGEST:
                raise RunError(f"{path} is larger than {LARGEST // 10**6} MB; import a part of it")
            with open(path, "rb") as file:
                found[str(path)] = file.read(LARGEST + 1)
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}") from error
    return found


def import_log(engine: Engine, files: Mapping[str, bytes], name: str = "") -> Run:
    """Brings a log into the database as a run; `name` is what it is called, by default after its file, or
    after the kind of log where it has several.
    RunError, in one line and with nothing written, where it is none."""
    digest = hashlib.sha256()
    for content in files.values():
        digest.update(hashlib.sha256(content).digest())
    run_id = f"log-{digest.hexdigest()[:16]}"
    if known := find_run(engine, run_id):
        return known
    entries, kind = read_log(files)
    episodes = to_episodes(entries)
    now = database.now()
    called = Path(next(iter(files))).name if len(files) == 1 else KINDS[kind]
    title = one_line(name.strip() or f"Log: {called}")[:80]
    config = {"mode": MODE, "name": title, "log": {"kind": kind, "entries": len(entries)}}
    values = {
        "id": run_id, "name": title, "mode": MODE, "state": "finished", "config": json.dumps(config),
        "created": now, "started": now, "ended": now, "results": "{}",
    }  # fmt: skip
    rows = recording.episode_rows(run_id, PHASE, 0, episodes, {})
    record = {"id": run_id, "created": now, "config": config}
    return bring_in(
        engine, "the log", values, rows, lambda place: disk.write_json(place / RECORD, record)
    )
