"""A scripted chat model of hundreds of habits: it decides at random, says it in a form drawn at random, and keeps what
it meant, so that what was understood can be compared with it. `chatty.py` is its smaller sister."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from memfactory_core.dialects.chat import Chat
from memfactory_core.episode import Ask, Sampler
from memfactory_core.types import Completion
from tests.chatty import THOUGHTS

PREAMBLES = (
    "", "", "Sure! Here is {}:\n\n", "Here is {}:\n", "Certainly!\n\n", "Okay, let me think.\n\n",
    "Based on the memories, here is {}:\n\n", "**Answer:**\n\n",
)  # fmt: skip
ENDINGS = ("", "", "\n\nLet me know if you need anything else!", "\n\nI hope this helps.")
IDS: tuple[Callable[[str], Any], ...] = (
    int, str, "#{}".format, "[{}]".format, "id {}".format, "memory {}".format, "Memory #{}".format,
)  # fmt: skip
VERBS = ("op", "operation", "action", "event")
TEXTS = ("text", "content", "new_text", "memory_text")
REFUSALS = (
    "I'm sorry, but I can't help with that.", "I cannot assist with that request.",
    "As an AI language model, I don't have personal opinions.", "I'm unable to do that.",
)  # fmt: skip


class Talkative(Sampler):
    """Means something, says it somehow, remembers both: `said` holds (role, facts, meaning, text)."""

    def __init__(self, seed: int, answer: str = "Oslo") -> None:
        self.random = random.Random(seed)
        self.answer = answer
        self.said: list[tuple[str, dict[str, Any], Any, str]] = []

    def dialect_of(self, role: str) -> Chat:
        """A chat model's."""
        return Chat()

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask."""
        return [Completion(text=self._respond(ask)) for ask in asks]

    def _respond(self, ask: Ask) -> str:
        meaning, text = getattr(self, f"_{ask.role}")(ask.facts)
        self.said.append((ask.role, ask.facts, meaning, text))
        return self._pick(THOUGHTS).format(text)

    def _pick(self, several: Sequence[Any]) -> Any:
        return self.random.choice(several)

    def _around(self, core: str, what: str) -> str:
        return self._pick(PREAMBLES).format(what) + core + self._pick(ENDINGS)

    def _json(self, value: Any, what: str) -> str:
        plain = json.dumps(value, ensure_ascii=False)
        indented = json.dumps(value, indent=2, ensure_ascii=False)
        trailing = f"{plain[:-1]},{plain[-1]}" if len(plain) > 2 else plain
        core = self._pick((
            plain, indented, repr(value), trailing, indented[:-2] + "," + indented[-2:],
            f"```json\n{indented}\n```", f"```\n{plain}\n```", f"```json\n{trailing}\n```",
        ))  # fmt: skip
        return self._around(core, what)

    def _extract(self, facts: dict[str, Any]) -> tuple[list[str], str]:
        listed = [line.strip() for line in facts["observation"].splitlines() if line.strip()]
        marks = self._pick(("{n}. {}", "{n}) {}", "- {}", "* {}", "• {}", "**{}**", "{}", '"{}"'))
        lines = "\n".join(marks.format(line, n=n) for n, line in enumerate(listed, 1))
        forms = (
            lambda: self._around(lines, "the list of facts"), lambda: f"# Facts\n\n{lines}",
            lambda: self._json(listed, "the list of facts"),
            lambda: self._json({"facts": listed}, "the list of facts"),
            lambda: self._json([{"fact": line} for line in listed], "the list of facts"),
        )  # fmt: skip
        return listed, self._pick(forms)()

    def _update(self, facts: dict[str, Any]) -> tuple[str, str]:
        memory = " ".join([facts["memory"], facts["section"]]).strip()[-facts["budget"] :].strip()
        forms = (
            "{}", "```\n{}\n```", "Memory: {}", "**Updated memory:**\n{}", "New memory:\n\n{}",
            '"{}"', "**{}**", "Sure! Here is the updated memory:\n\n{}", "Here is the new memory:\n{}",
        )  # fmt: skip
        return memory, self._pick(forms).format(memory)

    def _manage(self, facts: dict[str, Any]) -> tuple[Any, str]:
        return self._operation(facts, ("ADD", "UPDATE", "DELETE", "NOOP"))

    def _merge(self, facts: dict[str, Any]) -> tuple[Any, str]:
        return self._operation(facts, ("ADD", "MERGE"))

    def _operation(self, facts: dict[str, Any], verbs: Sequence[str]) -> tuple[Any, str]:
        fact, related = facts["fact"], facts["related"]
        verb = self._pick(verbs) if related else "ADD"
        old = self._pick(related) if related else None
        name = self._pick((verb, verb.lower(), verb.capitalize()))
        meaning = {
            "ADD": ("add", None, fact), "NOOP": ("noop", None, None),
            "DELETE": ("delete", old and old.id, None),
        }.get(verb, ("update", old and old.id, fact))  # fmt: skip
        if self.random.random() < 0.6:
            fields: dict[str, Any] = {self._pick(VERBS): name}
            if verb not in ("ADD", "NOOP") and old:
                fields[self._pick(("id", "memory_id"))] = self._pick(IDS)(old.id)
            if verb not in ("NOOP", "DELETE"):
                fields[self._pick(TEXTS[:3])] = fact
            if self.random.random() < 0.3:
                fields["reason"] = "The fact says so."
            value = self._pick((fields, fields, [fields]))
            return meaning, self._json(value, "the operation")
        return meaning, self._around(self._line(verb, old, fact), "the operation")

    def _line(self, verb: str, old: Any, fact: str) -> str:
        if verb == "ADD":
            bodies = [fact, f'"{fact}"', f"- {fact}"]
        elif verb == "NOOP":
            bodies = ["", "- it is known already.", "(nothing to change)"]
        else:
            names = [
                f"#{old.id}",
                f"memory #{old.id}",
                f"[{old.id}]",
                f"id {old.id}",
                f"memory {old.id}",
            ]
            name = self._pick(names)
            change = [f"{name} to {fact}", f"{name}: {fact}", f"{old.text} #{old.id} to {fact}"]
            bodies = [name, f"{old.text} #{old.id}"] if verb == "DELETE" else change
        form = self._pick(("{} {}", "**{}** {}", "**{}:** {}", "{}: {}", "`{} {}`", "- {} {}", "```\n{} {}\n```",
                           "Operation: {} {}", "1. {} {}"))  # fmt: skip
        return form.format(verb, self._pick(bodies))

    def _index(self, facts: dict[str, Any]) -> tuple[str, str]:
        key = self._pick(("dog, pet", "where Ann lives", "Ann's dog"))
        forms = ("{}", "Key: {}", "**Key:** {}", '"{}"', "```\n{}\n```", "`{}`", "Sure! Here is the key:\n{}",
                 "Search terms: {}", "- {}", '{{"key": "{}"}}', "Keywords: {}\n\nExplanation: they tell.")  # fmt: skip
        return key, self._pick(forms).format(key)

    def _search(self, facts: dict[str, Any]) -> tuple[str, str]:
        if self.random.random() < 0.4:
            forms = ("NONE", "None.", "none", "**NONE**", "No search needed.", "Search: NONE", '{"search": null}',
                     "```\nNONE\n```", "I don't need to search for this.", "There is no need to search.")  # fmt: skip
            return "", self._pick(forms)
        query = facts["question"]
        forms = ("{}", "Search: {}", "SEARCH {}", "**Search:** {}", '"{}"', "Query: `{}`", '{{"query": "{}"}}',
                 "Sure! Here is the search query:\n\n{}", "I would search for: {}", "```\n{}\n```",
                 "Search query: {}\n\nThis query asks for the fact.")  # fmt: skip
        return query, self._pick(forms).format(query)

    def _rerank(self, facts: dict[str, Any]) -> tuple[list[str], str]:
        shown = facts["candidates"]
        chosen = self.random.sample(shown, self.random.randint(0, min(2, len(shown))))
        ids = [memory.id for memory in chosen]
        if not ids:
            said = ("[]", "None.", "NONE", "None of these memories are relevant.", "```json\n[]\n```",
                    "There are no relevant memories.", '{"ids": []}')  # fmt: skip
            return [], self._pick(said)
        name = self._pick(IDS)
        listed = [name(one) for one in ids]
        forms = (
            lambda: self._json(listed, "the list of ids"),
            lambda: self._json({"ids": listed}, "the list of ids"),
            lambda: self._json([{"id": one} for one in listed], "the list of ids"),
            lambda: self._around(", ".join(f"#{one}" for one in ids), "the list of ids"),
            lambda: self._around("\n".join(f"- #{m.id} {m.text}" for m in chosen), "the list"),
            lambda: "\n".join(f"{n}. {m.text} #{m.id}" for n, m in enumerate(chosen, 1)),
            lambda: " ".join(f"#{m.id} {m.text}" for m in chosen),
            lambda: "Memory " + " and ".join(ids), lambda: ", ".join(f"[{one}]" for one in ids),
            lambda: ", ".join(f"id {one}" for one in ids),
            lambda: f"The relevant memories are {' and '.join(f'#{one}' for one in ids)}.",
        )  # fmt: skip
        return ids, self._pick(forms)()

    def _answer(self, facts: dict[str, Any]) -> tuple[Any, str]:
        dressed = self._pick((r"\boxed{{{}}}", r"$\boxed{{\text{{{}}}}}$", "**{}**", "{}")).format(
            self.answer
        )
        if not facts.get("cites"):
            plain = (dressed, f"The answer is \\boxed{{{self.answer}}}.", f"Answer: {dressed}")
            return (None, self.answer), self._pick(plain)
        shown = facts["memories"]
        chosen = self.random.sample(shown, self.random.randint(0, min(3, len(shown))))
        ids = [memory.id for memory in chosen]
        listed = json.dumps([int(one) for one in ids])
        hashed = ", ".join(f"#{one}" for one in ids) or "none"
        forms = (
            f"Memories: {listed}\nAnswer: {dressed}", f"Memories: {hashed}\nAnswer: {dressed}",
            f"**Memories:** {listed}\n\n**Answer:** {dressed}", f"Sure!\n\nMemories: {listed}\nAnswer: {dressed}",
            f"```\nMemories: {listed}\nAnswer: {dressed}\n```", f"Selected memories: {hashed}\nAnswer: {dressed}",
            self._json({"memories": [int(one) for one in ids], "answer": self.answer}, "the answer"),
            f"Memory IDs: {listed}\nFinal answer: {dressed}",
        )  # fmt: skip
        return (sorted(ids), self.answer), self._pick(forms)
