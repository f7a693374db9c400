"""LongMemEval (arXiv 2410.10813): questions about a user's many chat sessions with an assistant.

Evidence is the turns that the file marks with `has_answer`; an answer session without a mark is
evidence whole. Questions whose id ends in `_abs` have no answer in the sessions and no evidence: saying so
is right. Sessions are read in the order of their dates, which the oracle file's own order is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from memfactory_core.tasks import Task
from memfactory_core.tasks.abstention import NOT_MENTIONED
from memfactory_core.tasks.data_file import DataPath, Entry, read_entries, take
from memfactory_core.tasks.identity import distinct, refuse_unknown, text_id
from memfactory_core.tasks.language import Split
from memfactory_core.types import Evidence, Example

_DATE = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?:\D*?(\d{1,2}):(\d{2}))?")


class LongMemEval(Task, kind="longmemeval"):
    """Answer questions about a user's past chats with an assistant (LongMemEval)."""

    path: DataPath
    """The data file: longmemeval_s.json, _m.json or _oracle.json, as published."""
    observation: Literal["session", "turn"] = "session"
    """What is read at a time: a whole session, or one turn."""
    types: tuple[str, ...] = ()
    """The question types that are asked, such as temporal-reasoning; none means all."""
    dates: bool = True
    """Whether the date stands before each session and before the question."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The questions in the file's order; a seeded draw of them where there are more than
        `count`."""
        entries = read_entries(self.path)
        names = distinct([entry.text("question_id") for entry in entries], entries)
        named = list(zip(entries, names, strict=True))
        if self.types:
            known = [entry.text("question_type") for entry in entries]
            for one in self.types:
                if one not in known:
                    refuse_unknown(self.path, "question_type", one, known)
            named = [pair for pair, kind in zip(named, known, strict=True) if kind in self.types]
        return [self._example(entry, name) for entry, name in take(named, count, seed)]

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _example(self, entry: Entry, name: str) -> Example:
        sessions = entry.items("haystack_sessions", list)
        ids = entry.texts("haystack_session_ids")
        dated = self.dates or entry.has("haystack_dates")
        dates = entry.texts("haystack_dates") if dated else [""] * len(sessions)
        for field, values in (("haystack_session_ids", ids), ("haystack_dates", dates)):
            if len(values) != len(sessions):
                entry.fail(field, f"{len(values)} entries for {len(sessions)} sessions")
        unanswerable = entry.text("question_id").endswith("_abs")
        needed = set(entry.texts("answer_session_ids"))
        observations: list[str] = []
        evidence: list[Evidence] = []
        read = [_turns(entry, number) for number in range(len(sessions))]
        for number in _in_time(entry, dates):
            session_id, turns = ids[number], read[number]
            head = f"[{dates[number]}]" if self.dates else ""
            first = len(observations)
            texts = [text for text, _ in turns]
            if self.observation == "turn":
                observations += [f"{head} {text}".strip() for text in texts]
            elif turns:
                observations.append("\n".join(([head] if head else []) + texts))
            if unanswerable:
                continue
            for turn, (text, marked) in enumerate(turns):
                if marked or (session_id in needed and not any(mark for _, mark in turns)):
                    at = first + (turn if self.observation == "turn" else 0)
                    evidence.append(Evidence(text=text, observation=at))
        asked, told = entry.text("question"), entry.answers("answer")
        if self.dates and entry.has("question_date"):
            asked = f"[{entry.text('question_date')}] {asked}"
        return Example(
            id=f"longmemeval-{name}",
            observations=tuple(observations),
            question=asked,
            answers=(*NOT_MENTIONED, *told) if unanswerable else told,
            evidence=tuple(evidence),
            meta={"category": entry.text("question_type"), "answer_sessions": sorted(needed)},
            text_id=text_id(text for turns in read for text, _ in turns),
        )


def _in_time(entry: Entry, dates: Sequence[str]) -> list[int]:
    """The sessions' numbers in the order of their dates; in the file's where none of the dates is one."""
    found = [_DATE.search(date) for date in dates]
    if not any(found):
        return list(range(len(dates)))
    for number, (date, one) in enumerate(zip(dates, found, strict=True), 1):
        if not one:
            entry.fail(
                "haystack_dates",
                f"item {number}: expected a date such as 2023/05/20 (Sat) 02:21, as the others have, "
                f"got {date[:60]!r}",
            )
    # sorted() keeps the file's order within one minute
    keys = [tuple(int(part or 0) for part in one.groups()) for one in found if one]
    return sorted(range(len(dates)), key=keys.__getitem__)


def _turns(entry: Entry, number: int) -> list[tuple[str, bool]]:
    """The turns of one session as (text, holds the answer), empty ones left out."""
    session = Entry(
        {"haystack_sessions": entry.values["haystack_sessions"][number]},
        entry.file,
        f"{entry.place}, session {number + 1}",
    )
    turns = []
    for turn in session.entries("haystack_sessions", "turn"):
        content = turn.value("content", str).strip()
        marked = turn.has("has_answer") and turn.value("has_answer", bool)
        if content:
            turns.append((f"{turn.text('role').capitalize()}: {content}", bool(marked)))
    return turns
