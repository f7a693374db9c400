"""What was measured, attempt by attempt: each episode's scores, cause and cost in tokens, by the example it tried."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlmodel import Session, select

from memfactory_core.errors import ConfigError
from memfactory_core.runs import database
from memfactory_core.runs.bodies import unpack_json
from memfactory_core.runs.tables import SHARED, EpisodeRow, ExampleRow, Run

AT_ONCE = 32
"""Episodes whose bodies are held in memory at a time."""
_COLUMNS = (
    "id", "example_id", "text_id", "step", "question", "answer", "gold", "exact_match", "reward", "cause", "cause_seq",
    "failed_question", "failed_answer", "failed_gold", "body",
)  # fmt: skip
WHENS = ("untrained", "before", "after")
"""What may stand behind a run's name and an @: when it was measured; without it, after its training."""


class Side(NamedTuple):
    """A run at one phase of its measuring."""

    run: Run
    phase: str

    @property
    def key(self) -> str:
        """What `find_side` finds it by."""
        when = self.phase.split("/")[0]
        return self.run.id if when == "after" else f"{self.run.id}@{when}"


class Attempt(NamedTuple):
    """One episode, without its body. `read` and `written` are tokens, None where nobody counted them; `calls` are
    those of the policy."""

    episode: str
    example: str
    text: str | None
    step: int
    question: str
    answer: str
    gold: str
    cause: str | None
    cause_seq: int | None
    scores: dict[str, float]
    read: int | None
    written: int | None
    calls: int


def find_side(engine: Engine, name: str, phase: str = "after/greedy") -> Side:
    """The side that a text names: a run, or `RUN@before` (see WHENS). RunError where there is no such run, ConfigError
    for another word behind the @."""
    run_id, at, when = name.partition("@")
    if at and when not in WHENS:
        raise ConfigError(f"{name!r}: behind the @ stands one of {', '.join(WHENS)}")
    decoding = phase.split("/")[-1]
    return Side(database.get_run(engine, run_id), f"{when}/{decoding}" if when else phase)


def read_attempts(engine: Engine, side: Side) -> dict[str, list[Attempt]]:
    """The attempts of a side by example."""
    found: dict[str, list[Attempt]] = {}
    columns = [*(getattr(EpisodeRow, name) for name in _COLUMNS), ExampleRow.pattern]
    chosen = (
        select(*columns)
        .join(ExampleRow, SHARED, isouter=True)
        .where(EpisodeRow.run_id == side.run.id, EpisodeRow.phase == side.phase)
    )
    with Session(engine) as session:
        rows = session.exec(chosen.order_by(EpisodeRow.id).execution_options(yield_per=AT_ONCE))
        for row in rows:
            attempt = _to_attempt(dict(zip((*_COLUMNS, "pattern"), row, strict=True)))
            found.setdefault(attempt.example, []).append(attempt)
    return found


def _to_attempt(row: dict[str, Any]) -> Attempt:
    # plain JSON: building the whole episode would cost ten times as much, of thousands of them
    body = json.loads(unpack_json(row["body"], row["pattern"]))
    scores = {
        name: float(value)
        for name, value in body.get("scores", {}).items()
        if isinstance(value, int | float)
    }
    scores["exact_match"] = row["exact_match"]
    if not body.get("dropped"):
        scores["reward"] = row["reward"]
    said = [turn["completion"] for turn in body.get("turns", ())]
    failed = row["failed_question"] is not None
    return Attempt(
        row["id"], row["example_id"], row["text_id"], row["step"],
        row["failed_question"] if failed else row["question"],
        (row["failed_answer"] or "") if failed else row["answer"],
        (row["failed_gold"] or "") if failed else row["gold"],
        row["cause"], row["cause_seq"], scores,
        _sum(_count(one.get("prompt_ids")) for one in said),
        _sum(_written(one) for one in said), len(said),
    )  # fmt: skip


def _count(ids: list[int] | None) -> int | None:
    return None if ids is None else len(ids)


def _written(completion: dict[str, Any]) -> int | None:
    counted = _count(completion.get("completion_ids"))
    return completion.get("tokens") if counted is None else counted


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum, None where one is not known."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
