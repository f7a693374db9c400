"""One episode: what was read, written, kept and lost, moment by moment; and what if."""

import streamlit as st

from app.episode import player
from app.markup import markup
from app.reads import findings, queries
from app.shell import listing
from app.shell.views import errors_in_words, trail
from memfactory_core.runs.tables import Run

SIGNS = {1: ":material/check:", 0: ":material/contrast:", -1: ":material/close:"}
LEFT = ("group", "episode", "event", "view")


def listed(run: Run, phase: str, step: int) -> str | None:
    sort = st.selectbox("Sorted by", list(queries.SORTS), key="episode.sort")
    figure = "advantage" if "Advantage" in sort else "reward"

    def entry(row: dict) -> listing.Entry:
        share, kept = row["exact_match"], row["kept"]
        note = "" if kept is None else " · kept" if kept == 1 else f" · {kept:.0%} kept"
        label = f"{markup.plain(row['question'], 80)}  \n:small[{figure} {row[figure]:+.2f}{note}]"
        return listing.Entry(row["id"], label, SIGNS[(share > 0) - (share < 1)])

    return listing.choose(
        "episode", queries.episode_ids(run.id, phase, step, sort),
        lambda limit, offset: queries.episodes(run.id, phase, step, sort, limit, offset),
        entry, {"run": run.id, "phase": phase, "step": step},
    )  # fmt: skip


st.title("Episodes")
with errors_in_words():
    if found := listing.head("episode to look at", LEFT):
        run, phase, step = found
        way = st.container()
        names, one = st.columns([1, 3], gap="large")
        with names, st.container(key="episodes"):
            chosen = listed(run, phase, step)
        place = findings.place_in_group(run.id, chosen or "")
        with way:
            trail(run, phase, step, place[0] if place else None)
        with one:
            episode = queries.episode(run.id, chosen) if chosen else None
            if episode:
                player.episode(run, phase, step, episode)
            else:
                st.info("There is no such episode in this run: choose one on the left.")
