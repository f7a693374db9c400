"""LongMemEval (arXiv 2410.10813): questions about a user's many chat sessions with an assistant.

Evidence is the turns that the file marks with `has_answer`; an answer session without a mark is
evidence whole. Questions whose id ends in `_abs` have no answer in the sessions and no evidence.
"""

from __future__ import annotations

from typing import Literal

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import Entry, read_entries, take
from memfactory_core.tasks.language import Split
from memfactory_core.types import Evidence, Example


class LongMemEval(Task, kind="longmemeval"):
    """Answer questions about a user's past chats with an assistant (LongMemEval)."""

    path: str
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
        if self.types:
            entries = [entry for entry in entries if entry.text("question_type") in self.types]
        return [self._example(entry) for entry in take(entries, count, seed)]

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _example(self, entry: Entry) -> Example:
        sessions = entry.items("haystack_sessions", list)
        ids = entry.texts("haystack_session_ids")
        dates = entry.texts("haystack_dates") if self.dates else [""] * len(sessions)
        for field, values in (("haystack_session_ids", ids), ("haystack_dates", dates)):
            if len(values) != len(sessions):
                entry.fail(field, f"{len(values)} entries for {len(sessions)} sessions")
        name, needed = entry.text("question_id"), set(entry.texts("answer_session_ids"))
        observations: list[str] = []
        evidence: list[Evidence] = []
        for number, (session_id, date) in enumerate(zip(ids, dates, strict=True)):
            turns = _turns(entry, number)
            head = f"[{date}]" if self.dates else ""
            first = len(observations)
            texts = [text for text, _ in turns]
            if self.observation == "turn":
                observations += [f"{head} {text}".strip() for text in texts]
            elif turns:
                observations.append("\n".join(([head] if head else []) + texts))
            if name.endswith("_abs"):
                continue
            for turn, (text, marked) in enumerate(turns):
                if marked or (session_id in needed and not any(mark for _, mark in turns)):
                    at = first + (turn if self.observation == "turn" else 0)
                    evidence.append(Evidence(text=text, observation=at))
        asked = entry.text("question")
        if self.dates and entry.has("question_date"):
            asked = f"[{entry.text('question_date')}] {asked}"
        return Example(
            id=f"longmemeval-{name}",
            observations=tuple(observations),
            question=asked,
            answers=entry.answers("answer"),
            evidence=tuple(evidence),
            meta={"category": entry.text("question_type"), "answer_sessions": sorted(needed)},
        )


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
