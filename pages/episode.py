"""One episode: what was read, written, kept and lost, moment by moment; and what if."""

import streamlit as st

from app.episode.view import show_episode
from app.markup.safe_text import escape_markdown
from app.reads.episodes import EPISODE_SORTS, list_episode_ids, list_episodes, read_episode
from app.reads.groups import find_group_and_cause
from app.shell.listing import Entry, choose_entry
from app.shell.place import choose_place_or_explain, show_breadcrumbs
from app.shell.widgets import errors_in_words
from memfactory_core.runs.tables import Run

SIGNS = {1: ":material/check:", 0: ":material/contrast:", -1: ":material/close:"}
DROPPED = ("group", "episode", "event", "view")


def listed(run: Run, phase: str, step: int) -> str | None:
    sort = st.selectbox("Sorted by", list(EPISODE_SORTS), key="episode.sort")
    figure = "advantage" if "Advantage" in sort else "reward"

    def entry(row: dict) -> Entry:
        share, kept = row["exact_match"], row["kept"]
        note = "" if kept is None else " · kept" if kept == 1 else f" · {kept:.0%} kept"
        label = (
            f"{escape_markdown(row['question'], 80)}  \n:small[{figure} {row[figure]:+.2f}{note}]"
        )
        return Entry(row["id"], label, SIGNS[(share > 0) - (share < 1)])

    return choose_entry(
        "episode", list_episode_ids(run.id, phase, step, sort),
        lambda limit, offset: list_episodes(run.id, phase, step, sort, limit, offset),
        entry, {"run": run.id, "phase": phase, "step": step},
    )  # fmt: skip


st.title("Episodes")
with errors_in_words():
    if found := choose_place_or_explain("episode to look at", DROPPED):
        run, phase, step = found
        way = st.container()
        names, one = st.columns([1, 3], gap="large")
        with names, st.container(key="episodes"):
            chosen = listed(run, phase, step)
        place = find_group_and_cause(run.id, chosen or "")
        with way:
            show_breadcrumbs(run, phase, step, place[0] if place else None)
        with one:
            episode = read_episode(run.id, chosen) if chosen else None
            if episode:
                show_episode(run, phase, step, episode)
            else:
                st.info("There is no such episode in this run: choose one on the left.")
