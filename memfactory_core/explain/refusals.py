"""Why writes were refused, in a few kinds, so that they can be added up over a run. The reasons are those that
stores, updaters and dialects give; their numbers and ids are left out."""

from __future__ import annotations

import re

from memfactory_core.trace import Wrote

KINDS = {
    "over_budget": "longer than the memory's budget",
    "bank_full": "the bank was full",
    "cut_off": "cut off at the length limit",
    "wrong_memory": "named a memory that is not there, or quoted another",
    "too_many": "chose more memories than are allowed",
    "uncited": "an answer did not name the memories that it rests on",
    "empty": "nothing was written",
    "declined": "the policy declined in words",
    "malformed": "not in a form that is understood",
}
_SIGNS = (
    ("over budget", "over_budget"),
    ("the bank is full", "bank_full"),
    ("cut off", "cut_off"),
    ("there is no memory", "wrong_memory"),
    ("no memory #", "wrong_memory"),
    ("the quote is not", "wrong_memory"),
    ("no memory was named", "wrong_memory"),
    ("more than one memory", "wrong_memory"),
    ("the answer names no memories", "uncited"),
    ("memories were chosen", "too_many"),
    ("an empty text", "empty"),
    ("no memory was chosen", "empty"),
    ("no text was given", "empty"),
    ("nothing was said", "empty"),
    ("a refusal", "declined"),
)
_BUDGET = re.compile(r"([\d,]+) are allowed")


def kind_of(reason: str) -> str:
    """The kind of a refusal, a key of KINDS; what is in no other is `malformed`."""
    return next((kind for sign, kind in _SIGNS if sign in reason), "malformed")


def is_for_room(event: Wrote, fact: str) -> bool:
    """Whether a refused write failed for want of room: the bank was full, or filled by other memories, or the budget
    is smaller than the fact itself. A write that is over the budget by its own length, though the fact would have
    fitted, is the policy's fault and no want of room."""
    kind = kind_of(event.reason)
    if kind != "over_budget":
        return kind == "bank_full"
    allowed = _BUDGET.search(event.reason)
    if allowed is None:
        return False
    budget = int(allowed[1].replace(",", ""))
    return len(fact) > budget or len((event.after or "").strip()) <= budget
