"""The groups of one step: the list, and the group that is chosen from it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.episode import attempts
from app.episode.episode_list import SIGNS
from app.markup.safe_text import escape_markdown
from app.reads.groups import list_group_ids, list_groups
from app.shell.listing import Entry, choose_entry
from memfactory_core.runs.tables import Run

DROPPED = ("group", "one", "other")
"""Parameters of the address bar that another run, phase or step drops."""


def _to_entry(row: dict[str, Any]) -> Entry:
    if row["attempts"] == 1:  # there is nothing to compare it with
        right = row["right"]
        label = (
            f"{escape_markdown(row['question'], 60)}  \n:small[{attempts.describe_right(right, 1)}]"
        )
        return Entry(row["group_id"], label, SIGNS[(right > 0) - (right < 1)])
    teaches = attempts.teaches(row["lowest"], row["highest"])
    right = attempts.describe_right(row["right"], row["attempts"])
    label = (
        f"{escape_markdown(row['question'], 60)}  \n"
        f":small[{right} · reward {row['mean']:+.2f}]  \n"
        f":small[spread {row['spread']:.2f} · {'teaches' if teaches else 'teaches nothing'}]"
    )
    icon = ":material/school:" if teaches else ":material/remove:"
    return Entry(row["group_id"], label, icon)


def choose_group(run: Run, phase: str, step: int) -> str | None:
    """The list of a step's groups; the id of the one chosen."""
    ids = list_group_ids(run.id, phase, step)
    st.caption(f"{len(ids):,} groups" if len(ids) != 1 else "1 group")
    return choose_entry(
        "group", ids, lambda limit, offset: list_groups(run.id, phase, step, limit, offset),
        _to_entry, {"run": run.id, "phase": phase, "step": step},
    )  # fmt: skip


def show_chosen_group(run: Run, phase: str, step: int, chosen: str) -> bool:
    """The group of this id; False where there is none."""
    for group in list_groups(run.id, phase, step, 1, group_id=chosen):
        attempts.show_group(run, phase, step, group)
        return True
    return False
