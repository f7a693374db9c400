"""What a policy may say where it can only copy: whole sentences that it was shown, never words of its own. Samplers
that draw token by token are held to it as they draw (policies/copying.py); what others say is checked."""

from __future__ import annotations

from memfactory_core.types import Record


class Copied(Record):
    """The texts that are some of these sentences, each at most once, in any order, with single spaces between them."""

    sentences: tuple[str, ...]
    budget: int
    """How many characters such a text may have."""

    def allows(self, text: str) -> bool:
        """Whether a text is made of these sentences alone. Its length is not looked at, nor whether one comes twice."""
        reached, left = {0}, [0]
        while left:
            start = left.pop()
            for sentence in self.sentences:
                if not text.startswith(sentence, start):
                    continue
                end = start + len(sentence)
                if end == len(text):
                    return True
                if text[end] == " " and end + 1 not in reached:
                    reached.add(end + 1)
                    left.append(end + 1)
        return not text
