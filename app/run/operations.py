"""What was right against what was done, for tasks that know the right operation for each message: two
tables side by side, before and after training or at any steps."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import islice
from urllib.parse import urlencode

import streamlit as st

from app.markup.confusion import Table, confusion_table
from app.markup.labels import ACTIONS
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.reads.episodes import count_episodes_between
from app.reads.operations import knows_operations
from app.reads.steps import find_step_range, list_phases
from app.shell.address import bind_steps_to_address, bind_to_address
from app.shell.place import link_to_episode
from app.shell.widgets import table_with_download
from app.shell.words import describe_phase
from memfactory_core.explain.operations import confusion, find_decisions, tell_new_facts
from memfactory_core.runs.recording import recorded_episodes
from memfactory_core.runs.tables import ACTIVE, Run

COUNTED_EPISODES = 500
"""Episodes that one table is counted from at most."""
LISTED_DECISIONS = 12
"""Decisions behind a cell that are listed."""
CHOSEN = ("left", "left.steps", "right", "right.steps")
"""Parameters of the address that say what the two tables are of."""
STRETCHES = 10
"""A table of training steps begins with a tenth of them."""


@lru_cache(maxsize=64)
def _knows_operations(run_id: str) -> bool:
    return knows_operations(run_id)


def has_operations(run: Run) -> bool:
    """Whether the run's task knows the right operations."""
    return bool(list_phases(run.id)) and _knows_operations(run.id)


@lru_cache(maxsize=64)
def _count_table(
    run_id: str, phase: str, first: int, last: int, until: int
) -> tuple[Table, int, str]:
    """The table, how many episodes it is of, and what became of new facts; `until` tells a run that goes on from
    before."""
    place = (database_engine(), run_id, phase, first, last, COUNTED_EPISODES)
    played = list(recorded_episodes(*place))
    return confusion(played), len(played), tell_new_facts(played)


def show_operations(run: Run) -> None:
    """Two tables beside each other, each of a phase that is chosen."""
    phases = list_phases(run.id)
    st.caption(
        "One row for each operation that was right, one column for each that was carried out; ✓ marks "
        "where the two agree. A row's shares add up to 100%."
    )
    earlier = next((p for p in ("before/greedy", "before/sampled") if p in phases), phases[0])
    later = next((p for p in ("after/greedy", "after/sampled", "train") if p in phases), phases[-1])
    for column, side, start in zip(
        st.columns(2, gap="medium"), ("left", "right"), (earlier, later), strict=True
    ):
        with column:
            _show_side(run, phases, side, start)


def _show_side(run: Run, phases: list[str], side: str, start: str) -> None:
    label = "Compare" if side == "left" else "With"
    phase = st.selectbox(
        label,
        phases,
        format_func=lambda phase: describe_phase(phase, run.mode),
        **bind_to_address(side, phases, start, drops=(f"{side}.steps",)),
    )
    first, last = find_step_range(run.id, phase)
    if last > first:
        width = -(-(last - first + 1) // STRETCHES)
        begin = (first, first + width - 1) if side == "left" else (last - width + 1, last)
        bound = bind_steps_to_address(f"{side}.steps", (first, last), begin)
        first, last = st.slider("Steps", first, last, **bound)
    table, episodes, told = _count_table(
        run.id, phase, first, last, run.step if run.state in ACTIVE else -1
    )
    if not table:
        st.info("These episodes have not one write for each message, so nothing can be compared.")
        return
    total = sum(sum(done.values()) for done in table.values())
    agree = sum(done.get(right, 0) for right, done in table.items())
    st.markdown(f"**{agree / total:.0%} right**, {agree:,} of {total:,} messages")
    title = f"{describe_phase(phase, run.mode)}: right against done"
    st.html(confusion_table(table, title, partial(_door, run, side, phase, (first, last))))
    kept = count_episodes_between(run.id, phase, first, last)
    of_all = "" if kept <= episodes else f" of {kept:,}, from steps evenly spread"
    st.caption(
        f"Counted from {episodes:,} episodes{of_all}. A number leads to the decisions behind it."
    )
    if told:
        st.markdown(told)
    _show_cell(run, phase, side, first, last, table)
    rows = [
        {"right": _action_word(right)}
        | {f"done: {_action_word(name)}": n for name, n in done.items()}
        for right, done in table.items()
    ]
    table_with_download(rows, f"operations-{side}-{phase.replace('/', '-')}")


def _door(
    run: Run, side: str, phase: str, steps: tuple[int, int], right: str, done: str
) -> str:  # fmt: skip
    """The address at which the decisions behind a cell are listed: both sides as they are chosen."""
    kept = {k: v for k, v in st.query_params.to_dict().items() if k in CHOSEN}
    place = {
        "run": run.id,
        "tab": "Decisions",
        **kept,
        side: phase,
        f"{side}.steps": f"{steps[0]}-{steps[1]}",
        "cell": f"{side}.{right}.{done}",
    }
    return f"runs?{urlencode(place)}"


def _show_cell(run: Run, phase: str, side: str, first: int, last: int, table: Table) -> None:
    """The decisions behind the cell that the address names, each a way to its event."""
    which, _, pair = st.query_params.get("cell", "").partition(".")
    right, _, done = pair.partition(".")
    total = table.get(right, {}).get(done, 0)
    if which != side or not total:
        return
    st.markdown(
        f"**Right was {_action_word(right)}, done was {_action_word(done)}**: {total:,} of them, the "
        f"{'first' if total > LISTED_DECISIONS else 'whole'} {min(total, LISTED_DECISIONS):,} here"
        if total > 1
        else f"**Right was {_action_word(right)}, done was {_action_word(done)}**"
    )
    played = recorded_episodes(database_engine(), run.id, phase, first, last, COUNTED_EPISODES)
    found = islice(find_decisions(played, right, done), LISTED_DECISIONS)
    for episode, event in found:
        told, open_it = st.columns([2.3, 1], vertical_alignment="center")
        said = episode.example.observations[event.at] if event.at is not None else ""
        became = event.after or event.before or ""
        told.markdown(f"{escape_markdown(said, 110)}  \n:small[→ {escape_markdown(became, 110)}]")
        with open_it:
            link_to_episode({"run": run.id, "phase": phase, "episode": episode.id}, event=event.seq)


def _action_word(action: str) -> str:
    return ACTIONS[action][1].lower()
