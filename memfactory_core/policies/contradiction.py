"""Plain statements in English as FactConsolidation makes them ("X is a citizen of Y"): enough to see that two of
them contradict each other, without a model. For the scripted manager only."""

from __future__ import annotations

_ENDS = frozenset("is by to of in for with as was".split())
_VERBS = frozenset("is was are were".split())


def same_subject(first: str, second: str) -> bool:
    """Whether two statements say something else of the same thing: they begin alike up to a word after which
    a value is expected, and then differ in the value alone. Texts without such a word never do."""
    a, b = first.rstrip(". ").split(), second.rstrip(". ").split()
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    while shared and a[shared - 1] not in _ENDS:
        shared -= 1
    if shared < 3 or a == b:
        return False
    values = a[shared:], b[shared:]
    if a[shared - 1] in _VERBS and a[0] != "The":
        return False
    return all(value and not _VERBS & set(value) for value in values)


def value_of(statement: str) -> str:
    """What a statement says of its subject: the words after its verb, without the relation ("a citizen of")
    that introduces them. The whole text where there is no such word."""
    said = statement.strip().rstrip(".").split()
    verbs = [place for place, word in enumerate(said) if word in _VERBS]
    rest = said[verbs[-1] + 1 :] if verbs else said
    lower = next((i for i, word in enumerate(rest) if not word[:1].islower()), len(rest))
    start = 0 if verbs else len(said) - len(rest)
    ends = [i for i in range(start, len(rest)) if rest[i] in _ENDS and (i < lower or not verbs)]
    value = rest[ends[-1] + 1 :] if ends else rest
    return " ".join(value or rest)
