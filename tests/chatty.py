"""A scripted chat model: it means the right thing in every role and says it as chat models do, with thinking,
markdown, JSON, numbering, greetings and explanations around it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from memfactory_core.dialects.chat import Chat
from memfactory_core.episode import Ask, Sampler
from memfactory_core.types import Completion

THOUGHTS = (
    "{}", "<think>\nADD something wrong? \\boxed{{London}} #99\n</think>\n\n{}", "NOOP? No.\n</think>\n{}",
    "<|channel|>analysis<|message|>DELETE #1?<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "<reasoning>I might UPDATE #99.</reasoning>{}",
)  # fmt: skip
LINES = (
    "{verb} {body}", "**{verb}** {body}", "{verb}: {body}", "```\n{verb} {body}\n```", "Operation: {verb} {body}",
    "Sure! Here is the operation:\n\n{verb} {body}", "{verb} {body}\n\nExplanation: that is what the fact asks for.",
    "- {verb} {body}", "`{verb} {body}`", "1. **{verb}:** {body}",
)  # fmt: skip
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I have no opinion.",
    "Hmm.",
)


class ChattySampler(Sampler):
    """Says what is right in a form drawn at random; refuses a share of the asks and counts how often."""

    def dialect_of(self, role: str) -> Chat:
        """A chat model's."""
        return Chat()

    def __init__(self, seed: int, refuses: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.refuses = refuses
        self.refused = 0
        self.decisions = 0

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask."""
        return [Completion(text=self._respond(ask)) for ask in asks]

    def _respond(self, ask: Ask) -> str:
        self.decisions += ask.role != "answer"
        if self.random.random() < self.refuses:
            self.refused += ask.role != "answer"
            return self.random.choice(REFUSALS)
        said = getattr(self, f"_{ask.role}")(ask.facts)
        return self.random.choice(THOUGHTS).format(said)

    def _extract(self, facts: dict) -> str:
        listed = [line for line in facts["observation"].splitlines() if line.strip()]
        numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(listed, 1))
        forms = (
            "Here are the facts:\n\n" + numbered, "\n".join(f"- **{line}**" for line in listed),
            json.dumps(listed, ensure_ascii=False), f"```json\n{json.dumps({'facts': listed})}\n```",
            f"Sure!\n\n# Facts\n{numbered}\n\nLet me know if you need more.",
        )  # fmt: skip
        return self.random.choice(forms)

    def _manage(self, facts: dict) -> str:
        return self._operation(facts, "UPDATE")

    def _merge(self, facts: dict) -> str:
        return self._operation(facts, "MERGE")

    def _operation(self, facts: dict, change: str) -> str:
        fact, related = facts["fact"], facts["related"]
        verb = self.random.choice(
            ["ADD", change, *(["DELETE", "NOOP"] if change == "UPDATE" else [])]
        )
        verb = verb if related else "ADD"
        old = related[0] if related else None
        if self.random.random() < 0.3:
            fields = {"ADD": {"text": fact}, "NOOP": {}}.get(verb) or (
                {"id": int(old.id), "text": fact} if old and verb != "NOOP" else {}
            )
            return json.dumps({"operation": self.random.choice([verb, verb.lower()]), **fields})
        bodies = {"ADD": [fact, f'"{fact}"'], "NOOP": ["", "- it is known already."]}
        if old and verb in ("UPDATE", "MERGE"):
            bodies[verb] = [
                f"{old.text} #{old.id} to {fact}",
                f"#{old.id} to {fact}",
                f"memory {old.id}: {fact}",
            ]
        if old and verb == "DELETE":
            bodies[verb] = [f"{old.text} #{old.id}", f"#{old.id}", f"{old.id}"]
        body = self.random.choice(bodies[verb])
        return self.random.choice(LINES).format(verb=verb, body=body)

    def _rerank(self, facts: dict) -> str:
        chosen = facts["candidates"][:2]
        ids = [memory.id for memory in chosen]
        forms = (
            ", ".join(f"#{name}" for name in ids), json.dumps([int(name) for name in ids]), " and ".join(ids),
            "\n".join(f"{i}. {m.text} #{m.id}" for i, m in enumerate(chosen, 1)), f"Memory {ids[0]}", "None.",
            f"The needed memory is #{ids[0]} because it answers the question.",
        )  # fmt: skip
        return self.random.choice(forms)

    def _update(self, facts: dict) -> str:
        memory = " ".join([facts["memory"], facts["section"]]).strip()[-facts["budget"] :].strip()
        forms = ("{}", "```\n{}\n```", "Memory: {}", "**Updated memory:**\n{}", "{}\n")
        return self.random.choice(forms).format(memory)

    def _answer(self, facts: dict) -> str:
        forms = (r"The answer is \boxed{{\text{{{}}}}}.", r"$\boxed{{{}}}$", "**{}**", r"\boxed {}")
        return self.random.choice(forms).format("Paris")
