"""The episodes of one step: the list, and the episode that is chosen from it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.episode.view import show_episode
from app.markup.safe_text import escape_markdown
from app.reads.episodes import EPISODE_SORTS, list_episode_ids, list_episodes, read_episode
from app.reads.groups import find_group_and_cause
from app.shell.listing import Entry, choose_entry
from memfactory_core.runs.tables import Run

DROPPED = ("group", "episode", "event", "view")
"""Parameters of the address bar that another run, phase or step drops."""
SIGNS = {1: ":material/check:", 0: ":material/contrast:", -1: ":material/close:"}
"""All questions right, some, none."""


def choose_episode(run: Run, phase: str, step: int) -> str | None:
    """The list of a step's episodes in the order chosen; the id of the one chosen."""
    sort = st.selectbox("Sorted by", list(EPISODE_SORTS), key="episode.sort")
    figure = "advantage" if "Advantage" in sort else "reward"

    def to_entry(row: dict[str, Any]) -> Entry:
        share, kept = row["exact_match"], row["kept"]
        notes = [f"{figure} {row[figure]:+.2f}"] if run.settings.get("reward") else []
        notes += [] if kept is None else [describe_kept(kept)]
        told = f"  \n:small[{' · '.join(notes)}]" if notes else ""
        label = f"{escape_markdown(row['question'], 80)}{told}"
        # of another agent's log it may not be known what would have been right
        sign = SIGNS[(share > 0) - (share < 1)] if row["gold"] else ":material/question_mark:"
        return Entry(row["id"], label, sign)

    return choose_entry(
        "episode", list_episode_ids(run.id, phase, step, sort),
        lambda limit, offset: list_episodes(run.id, phase, step, sort, limit, offset),
        to_entry, {"run": run.id, "phase": phase, "step": step},
    )  # fmt: skip


def describe_kept(share: float) -> str:
    """How many of the needed facts were in memory at the end."""
    return "kept" if share == 1 else "not kept" if share == 0 else f"{share:.0%} kept"


def show_chosen_episode(run: Run, phase: str, step: int, chosen: str) -> bool:
    """The episode of this id; False where there is none."""
    episode = read_episode(run.id, chosen)
    if episode:
        show_episode(run, phase, step, episode)
    return episode is not None


def find_group(run: Run, chosen: str) -> str | None:
    """The group to which an episode belongs."""
    found = find_group_and_cause(run.id, chosen)
    return found[0] if found else None
