"""LoCoMo (arXiv 2402.17753): questions about very long conversations of two friends, session by
session.

Category ids: 1 multi-hop, 2 temporal, 3 open-domain, 4 single-hop, 5 adversarial; papers permute
the names, so the id is what is stored. A question of category 5 has no answer in the conversation:
the gold is to say so, the file's `adversarial_answer` is the trap. Evidence ids that name no turn
are left out and listed in `meta`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from memfactory_core.language import Split
from memfactory_core.records import Entry, read_entries, take
from memfactory_core.tasks import Task
from memfactory_core.types import Evidence, Example

NOT_MENTIONED = ("Not mentioned in the conversation", "Not mentioned", "No information available")
_SESSION = re.compile(r"session_(\d+)")
_TURN_ID = re.compile(r"D\s*:?\s*(\d+)\s*:\s*(\d+)")


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

    path: str
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

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The questions in the file's order; a seeded draw of them where there are more than
        `count`."""
        examples = [
            example for entry in read_entries(self.path) for example in self._conversation(entry)
        ]
        return take(examples, count, seed)

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _conversation(self, entry: Entry) -> list[Example]:
        name = entry.text("sample_id") if entry.has("sample_id") else entry.place.replace(" ", "-")
        if self.conversations and name not in self.conversations:
            return []
        said = self._turns(entry)
        observations: list[str] = []
        for turn in said.values():
            if turn.observation == len(observations):
                observations.append(f"[{turn.date}] {turn.text}" if self.dates else turn.text)
            else:
                observations[-1] += f"\n{turn.text}"
        examples = []
        for number, asked in enumerate(entry.entries("qa", "question")):
            if asked.value("category", int) in self.categories:
                examples.append(
                    self._question(asked, f"{name}-{number}", name, said, tuple(observations))
                )
        return examples

    def _turns(self, entry: Entry) -> dict[str, Said]:
        conversation = entry.value("conversation", dict)
        numbers = sorted(
            int(found[1]) for key in conversation if (found := _SESSION.fullmatch(key))
        )
        if not numbers:
            entry.fail("conversation", "holds no session_1, session_2, ...")
        said: dict[str, Said] = {}
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
                said[turn_id] = Said(turn_id, text, date, observation)
        return said

    def _question(
        self,
        asked: Entry,
        number: str,
        conversation: str,
        said: dict[str, Said],
        observations: tuple,
    ) -> Example:
        category = asked.value("category", int)
        raw = " ".join(asked.texts("evidence")) if asked.has("evidence") else ""
        named = list(dict.fromkeys(f"D{int(s)}:{int(t)}" for s, t in _TURN_ID.findall(raw)))
        meta = {"category": category, "conversation": conversation}
        meta["dia_ids"] = [turn_id for turn_id in named if turn_id in said]
        if missing := [turn_id for turn_id in named if turn_id not in said]:
            meta["missing_dia_ids"] = missing
        if category == 5 and asked.has("adversarial_answer"):
            meta["adversarial_answer"] = asked.answers("adversarial_answer")[0]
        return Example(
            id=f"locomo-{number}",
            observations=observations,
            question=asked.text("question"),
            answers=NOT_MENTIONED if category == 5 else asked.answers("answer"),
            evidence=tuple(
                Evidence(text=said[turn_id].text, observation=said[turn_id].observation)
                for turn_id in meta["dia_ids"]
            ),
            meta=meta,
        )
