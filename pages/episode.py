"""One episode: what was read, written, kept and lost, moment by moment; and what if."""

import streamlit as st

from app import findings, markup, player, queries
from app.views import errors_in_words, go, nothing_yet, pick_place, trail
from memfactory_core.db import Run

PER_PAGE = 8
SIGNS = {1: ":material/check:", 0: ":material/contrast:", -1: ":material/close:"}
LEFT = ("group", "episode", "event", "view")


def listed(run: Run, phase: str, step: int) -> str | None:
    sort = st.selectbox("Sorted by", list(queries.SORTS), key="episode.sort")
    count = queries.count_episodes(run.id, phase, step)
    number = min(st.session_state.get("episode.page", 1), -(-count // PER_PAGE)) or 1
    rows = queries.episodes(run.id, phase, step, sort, PER_PAGE, (number - 1) * PER_PAGE)
    chosen = st.query_params.get("episode") or (rows[0]["id"] if rows else None)
    for row in rows:
        share, kept = row["exact_match"], row["kept"]
        sign = SIGNS[1 if share == 1 else -1 if share == 0 else 0]
        note = "" if kept is None else " · kept" if kept == 1 else f" · {kept:.0%} kept"
        figure = "advantage" if "Advantage" in sort else "reward"
        label = f"{markup.plain(row['question'], 80)}  \n:small[{figure} {row[figure]:+.2f}{note}]"
        kind = "secondary" if row["id"] == chosen else "tertiary"
        place = {"run": run.id, "phase": phase, "step": str(step), "episode": row["id"]}
        st.button(
            label, key=f"open.{row['id']}", icon=sign, type=kind, width="stretch", on_click=go,
            kwargs=place,
        )  # fmt: skip
    if count > PER_PAGE:
        st.pagination(-(-count // PER_PAGE), key="episode.page", max_visible_pages=5)
    return chosen


st.title("Episodes")
with errors_in_words():
    run, phase, step = pick_place(LEFT)
    if run is None:
        nothing_yet("There is no run yet, so there is no episode to look at.")
    elif not phase:
        nothing_yet("This run has no episodes yet: they appear while it evaluates and trains.")
    else:
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
