"""What a person calls a run: its name, tags and a note."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.errors import RunError
from memfactory_core.runs import database, record
from memfactory_core.runs.disk import write_json
from memfactory_core.runs.tables import ACTIVE, Run, read_table
from memfactory_core.text import one_line

LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE = 80, 40, 4000
MOST_TAGS = 20


def tell_apart(named: Iterable[tuple[str, str, float]]) -> dict[str, str]:
    """A label for each run by its id, of (id, label, seconds since 1970 when it was made): the label itself; where
    others have the same one the time too, and where that is the same as well the end of the id."""
    listed = list(named)
    times = {run: time.strftime("%d %b %H:%M", time.localtime(made)) for run, _, made in listed}
    often = Counter(label for _, label, _ in listed)
    at_once = Counter((label, times[run]) for run, label, _ in listed)
    return {
        run: " · ".join(
            [
                label,
                *([times[run]] if often[label] > 1 else []),
                *([run[-4:]] if at_once[label, times[run]] > 1 else []),
            ]
        )
        for run, label, _ in listed
    }


def rename_run(engine: Engine, run_id: str, name: str) -> Run:
    """Gives a run another name, in its row and in its record. RunError for a name that is empty or too long."""
    name = one_line(name).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise RunError(f"a name has 1 to {LONGEST_NAME} characters, this one has {len(name)}")
    run = database.get_run(engine, run_id)
    settings = _renamed(run.config, name)
    renamed = database.update_run(engine, run.id, name=name, config=settings)
    if run.state not in ACTIVE:  # its worker writes the record while it works
        kept = record.read(Path(run.folder))
        if isinstance(kept.get("config"), dict):
            write_json(
                Path(run.folder) / "run.json", kept | {"config": kept["config"] | {"name": name}}
            )
    return renamed


def _renamed(config: str, name: str) -> str:
    """A configuration with another name; one that cannot be read stays as it is."""
    values = read_table(config)
    return config if values is None else json.dumps(values | {"name": name})


def tag_run(
    engine: Engine, run_id: str, add: Iterable[str] = (), remove: Collection[str] = ()
) -> Run:
    """Adds tags to a run and takes others away. RunError for a tag that is none, and for too many."""
    run = database.get_run(engine, run_id)
    wanted = [one_line(tag).strip() for tag in add]
    for tag in wanted:
        if not 1 <= len(tag) <= LONGEST_TAG or "," in tag:
            raise RunError(
                f"a tag has 1 to {LONGEST_TAG} characters and no comma, got {tag[:60]!r}"
            )
    tags = [tag for tag in dict.fromkeys([*run.tag_list, *wanted]) if tag not in remove]
    if len(tags) > MOST_TAGS:
        raise RunError(f"a run has at most {MOST_TAGS} tags, these would be {len(tags)}")
    return database.update_run(engine, run.id, tags=",".join(tags))


def note_run(engine: Engine, run_id: str, text: str) -> Run:
    """Keeps a note with a run, in place of the one before; an empty one takes it away. RunError where it is too
    long."""
    if len(text) > LONGEST_NOTE:
        raise RunError(
            f"a note has at most {LONGEST_NOTE:,} characters, this one has {len(text):,}"
        )
    run = database.get_run(engine, run_id)
    return database.update_run(engine, run.id, note=text.strip())
