"""LoCoMo (arXiv 2402.17753): questions about very long conversations of two friends, session by
session.

Category ids: 1 multi-hop, 2 temporal, 3 open-domain, 4 single-hop, 5 adversarial; papers permute
the names, so the id is what is stored. A question of category 5 has no answer in the conversation:
the gold is to say so, the file's `adversarial_answer` is the trap. Evidence ids that name no turn, or more
than one, are left out and listed in `meta["missing_evidence"]`.

Reading a conversation anew for each of its 200 questions is dear: `together` asks all of one memory,
`window` reads only what lies shortly before the answer, as Memory-R1 (arXiv 2508.19828) does in training.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from memfactory_core.tasks import Task
from memfactory_core.tasks.abstention import NOT_MENTIONED
from memfactory_core.tasks.data_file import DataPath, Entry, read_entries, take
from memfactory_core.tasks.identity import distinct, refuse_unknown, text_id
from memfactory_core.tasks.language import Split
from memfactory_core.types import Evidence, Example, Question

_SESSION = re.compile(r"session_(\d+)")
_TURN_ID = re.compile(r"D\s*+:?+\s*+(\d++)\s*+:\s*+(\d+)")


@dataclass(frozen=True)
class Said:
    """One turn of a conversation: its id, its wording, its date and the observation that holds
    it."""

    id: str
    text: str
    date: str
    observation: int


class LoCoMo(Task, kind="locomo"):
    """Answer questions about conversations that went on for months (LoCoMo)."""

    path: DataPath
    """The data file: locomo10.json or a part of it, as published."""
    observation: Literal["session", "turn"] = "session"
    """What is read at a time: a whole session, or one turn."""
    categories: tuple[Literal[1, 2, 3, 4, 5], ...] = (1, 2, 3, 4)
    """Ids of the question categories that are asked."""
    conversations: tuple[str, ...] = ()
    """Ids of the conversations that are used, such as conv-26; none means all in the file."""
    captions: bool = True
    """Whether a shared picture's caption is part of the turn."""
    dates: bool = True
    """Whether a session's date stands before it, or before each turn."""
    together: bool = False
    """Ask all questions of a conversation of one memory, instead of reading it anew for each."""
    window: int = Field(0, ge=0, le=100_000)
    """Read only this many turns before the last one that a question needs, and that one (Memory-R1 trains
    with 50); questions that need an earlier turn, or none, are left out. 0 reads whole conversations."""

    @model_validator(mode="after")
    def _one_way(self) -> LoCoMo:
        if self.together and self.window:
            raise ValueError(
                "each question has a window of its own: set together to false or window to 0"
            )
        return self

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The questions in the file's order; a seeded draw of them where there are more than
        `count`."""
        entries = read_entries(self.path)
        own = [_own_name(entry) for entry in entries]
        for wanted in self.conversations:
            if wanted not in own:
                refuse_unknown(self.path, "conversation", wanted, own)
        examples = [
            example
            for entry, known, name in zip(entries, own, distinct(own, entries), strict=True)
            if not self.conversations or known in self.conversations
            for example in self._conversation(entry, name)
        ]
        return take(examples, count, seed)

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _conversation(self, entry: Entry, name: str) -> list[Example]:
        said = self._turns(entry)
        whole = self._read(said)
        spoken = json.dumps(entry.value("conversation", dict), sort_keys=True)
        base = Example(
            id=name, observations=whole, question="", answers=(), text_id=text_id([spoken])
        )
        times = Counter(turn.id for turn in said)
        named = {turn.id: turn for turn in said if times[turn.id] == 1}
        examples = []
        for number, asked in enumerate(entry.entries("qa", "question")):
            if asked.value("category", int) in self.categories:
                examples.append(_ask(asked, number, base, named))
        if self.together and examples:
            return [_join(examples, f"locomo-{name}")]
        if self.window:
            windows = (self._narrow(example, said) for example in examples)
            return [example for example in windows if example is not None]
        return examples

    def _read(self, turns: list[Said]) -> tuple[str, ...]:
        """The observations that these turns, which lie one after the other, make up."""
        observations: dict[int, str] = {}
        for turn in turns:
            if turn.observation in observations:
                observations[turn.observation] += f"\n{turn.text}"
            else:
                head = f"[{turn.date}] " if self.dates else ""
                observations[turn.observation] = f"{head}{turn.text}"
        return tuple(observations.values())

    def _narrow(self, example: Example, turns: list[Said]) -> Example | None:
        """The example with its window alone; None where it needs what lies outside."""
        needed = [at for at, turn in enumerate(turns) if turn.id in example.meta["dia_ids"]]
        if not needed or needed[0] < (start := max(0, needed[-1] - self.window)):
            return None
        first = turns[start].observation
        evidence = [
            item
            if item.observation is None
            else item.model_copy(update={"observation": item.observation - first})
            for item in example.evidence
        ]
        read = self._read(turns[start : needed[-1] + 1])
        meta = {**example.meta, "linked_turn": len(read) - 1}
        return example.model_copy(
            update={"observations": read, "evidence": tuple(evidence), "meta": meta}
        )

    def _turns(self, entry: Entry) -> list[Said]:
        conversation = entry.value("conversation", dict)
        numbers = sorted(
            int(found[1]) for key in conversation if (found := _SESSION.fullmatch(key))
        )
        if not numbers:
            entry.fail("conversation", "holds no session_1, session_2, ...")
        said: list[Said] = []
        observation = -1
        for number in numbers:
            turns = entry.entries(f"conversation.session_{number}", "turn")
            date_field = f"conversation.session_{number}_date_time"
            date = entry.text(date_field) if self.dates and turns else ""
            observation += bool(turns) and self.observation == "session"
            for turn in turns:
                observation += self.observation == "turn"
                text = f"{turn.text('speaker')}: {turn.value('text', str).strip()}"
                if self.captions and turn.has("blip_caption"):
                    text += f" [picture: {turn.text('blip_caption')}]"
                turn_id = turn.text("dia_id")
                [turn_id] = _turn_ids(turn_id) or [turn_id]
                said.append(Said(turn_id, text, date, observation))
        return said


def _own_name(entry: Entry) -> str:
    return entry.text("sample_id") if entry.has("sample_id") else entry.place.replace(" ", "-")


def _turn_ids(written: str) -> list[str]:
    """The turns that a text names, each once: `D1:1; D1:3`, `D:1:3` and `D1:03` are ways of writing them."""
    found = (f"D{int(session)}:{int(turn)}" for session, turn in _TURN_ID.findall(written))
    return list(dict.fromkeys(found))


def _ask(asked: Entry, number: int, base: Example, said: Mapping[str, Said]) -> Example:
    """The example of one question; `base` knows what is read, `said` the turns whose ids are their own."""
    category = asked.value("category", int)
    raw = ""
    if asked.has("evidence"):
        told = asked.value("evidence", (str, list))
        raw = told if isinstance(told, str) else " ".join(asked.texts("evidence"))
    named = _turn_ids(raw)
    meta = {"category": category, "conversation": base.id}
    meta["dia_ids"] = [turn_id for turn_id in named if turn_id in said]
    if missing := [turn_id for turn_id in named if turn_id not in said]:
        meta["missing_evidence"] = missing
    if category == 5 and asked.has("adversarial_answer"):
        meta["adversarial_answer"] = asked.answers("adversarial_answer")[0]
    return base.model_copy(
        update={
            "id": f"locomo-{base.id}-{number}",
            "question": asked.text("question"),
            "answers": NOT_MENTIONED if category == 5 else asked.answers("answer"),
            "evidence": tuple(
                Evidence(text=said[turn_id].text, observation=said[turn_id].observation)
                for turn_id in meta["dia_ids"]
            ),
            "meta": meta,
        }
    )


def _join(examples: list[Example], name: str) -> Example:
    """One example that asks the questions of all; what it knows of each stands in `meta["questions"]`."""
    first, *others = examples
    asked = [{"id": example.id, **example.meta} for example in examples]
    return first.model_copy(
        update={
            "id": name,
            "others": tuple(
                Question(question=e.question, answers=e.answers, evidence=e.evidence)
                for e in others
            ),
            "meta": {"conversation": first.meta["conversation"], "questions": asked},
        }
    )
