"""The change of a what-if: a write undone, edited or replaced, or the reading alone."""

from __future__ import annotations

from typing import cast

import streamlit as st

from app.markup.differences import show_write
from app.markup.labels import ACTIONS
from app.markup.safe_text import SHOWN_CHARACTERS, one_line
from app.shell.address import bind_to_address
from memfactory_core.errors import RunError
from memfactory_core.explain import moments
from memfactory_core.explain.causes import CAUSES, Finding
from memfactory_core.explain.what_if import HELPS, Change, turn_of, undo
from memfactory_core.text import telling
from memfactory_core.trace import Episode, Recalled, Wrote
from memfactory_core.types import Memory

READING = "reading"
"""Stands for the answer's turn where a write is chosen: only what is read changes."""
UNDO = "Undo it"
EDIT = "Say something else"
FORCE = "Force an operation"
AGAIN = "Ask again"
_HOW = {"undo": UNDO, "edit": EDIT, "again": AGAIN, "reading": ""} | dict.fromkeys(
    ("add", "update", "delete"), FORCE
)
"""How the page does what could help (see HELPS)."""
OPERATIONS = {"manage": ("ADD", "UPDATE", "DELETE", "NOOP"), "merge": ("ADD", "MERGE")}


def choose_write(shown: Episode, finding: Finding | None) -> str | None:
    """The event that is to be changed, READING for what is read to answer; at first the one that a finding blames."""
    writes = {str(e.seq): e for e in shown.events if isinstance(e, Wrote) and _has_turn(shown, e)}
    options = [*writes, *([READING] if _answer_turns(shown) else [])]
    if not options:
        st.info("The policy decided nothing in this episode.")
        return None
    return st.selectbox(
        "Which decision", options, format_func=lambda o: _describe_write(writes.get(o)),
        **bind_to_address("event", options, _blamed(finding)),
    )  # fmt: skip


def _blamed(finding: Finding | None) -> str:
    if finding is None:
        return ""
    return READING if "reading" in HELPS.get(finding.cause, ()) else str(finding.seq)


def _answer_turns(shown: Episode) -> list[int]:
    return [i for i, turn in enumerate(shown.turns) if turn.observation is None]


def choose_change(shown: Episode, decision: str, finding: Finding | None) -> Change:
    """What is said instead at a write, or that only the reading changes. At the event that a finding blames it begins
    with what could help."""
    if decision == READING:
        st.html(
            '<div class="mf mf-muted">The memory stays as recorded; what is read from it changes.'
            "</div>"
        )
        return Change(turn=_answer_turns(shown)[0])
    event = cast(Wrote, shown.events[int(decision)])  # only writes are offered
    st.html(f'<div class="mf">{show_write(event, shown.example.needed)}</div>')
    return _choose_change_of(
        shown, event, finding if finding and finding.seq == event.seq else None
    )


def _has_turn(shown: Episode, event: Wrote) -> bool:
    try:
        turn_of(shown, event.seq)
    except RunError:
        return False
    return True


def _describe_write(event: Wrote | None) -> str:
    if event is None:
        return "What is read to answer"
    where = "answering" if event.at is None else f"section {event.at + 1}"
    action = ACTIONS[event.action][1].lower()
    return f"{where}: {action} {one_line(event.after or event.before or '', 90)}"


def _choose_change_of(shown: Episode, event: Wrote, finding: Finding | None) -> Change:
    turn = turn_of(shown, event.seq)
    role, said = shown.turns[turn].role, shown.turns[turn].completion.text
    hows = [*([UNDO] if event.action in ("add", "update", "delete") else []), EDIT]
    hows += [*([FORCE] if role in OPERATIONS else []), AGAIN]
    helps = [one for one in HELPS.get(finding.cause, ()) if _HOW[one] in hows] if finding else []
    first = hows.index(_HOW[helps[0]]) if helps else 0
    how = st.radio(
        "Change", hows, first, horizontal=True, key=f"what-if.how.{shown.id}.{event.seq}"
    )
    if finding and helps:
        st.caption(f"Begins with what could help here: {CAUSES[finding.cause]}.")
    key = f"what-if.{how}.{shown.id}.{event.seq}"
    if how == UNDO:
        return undo(shown, event.seq)
    if how == AGAIN:
        return Change(turn=turn)
    if how == FORCE:
        text = _force_operation(shown, event, role, key, helps[0] if helps else "")
        return Change(turn=turn, text=text)
    told = finding.evidence.text if finding and finding.evidence and helps[:1] == ["edit"] else said
    given = st.text_area("What the policy says instead", told[:SHOWN_CHARACTERS], key=key)
    return Change(turn=turn, text=given)


def _force_operation(shown: Episode, event: Wrote, role: str, key: str, first: str) -> str:
    """An operation in the policy's own words; it can only name memories that it was shown."""
    timeline = moments.moments(shown)
    moment = timeline[moments.find(timeline, event.seq)]
    recalls = [e for e in moment.events if isinstance(e, Recalled)]
    known: dict[str, Memory] = {h.memory.id: h.memory for r in recalls[-1:] for h in r.hits}
    names = [n for n in OPERATIONS[role] if known or n in ("ADD", "NOOP")]
    begin = names.index(first.upper()) if first.upper() in names else 0
    name = st.selectbox("Operation", names, begin, key=f"{key}.name")
    if name == "NOOP":
        return name
    fact = recalls[-1].query if recalls else event.after or ""
    if name == "ADD":
        return f"ADD {st.text_area('Text', fact, key=f'{key}.text')}"
    about = telling(fact)
    which = st.selectbox(
        "Memory",
        sorted(
            known, key=lambda i: -len(about & telling(known[i].text))
        ),  # the likeliest one first
        format_func=lambda i: f"#{one_line(i, 20)} {one_line(known[i].text, 60)}",
        key=f"{key}.id",
    )
    old = f"{known[which].text} #{which}"
    if name == "DELETE":
        return f"DELETE {old}"
    return f"{name} {old} to {st.text_area('New text', fact, key=f'{key}.new')}"
