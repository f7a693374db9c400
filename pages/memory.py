"""Any bank, of an episode at any moment or of pasted lines: a query, its entries, an entry's
life."""

import streamlit as st

from app import banks, queries
from app.views import errors_in_words, from_url, nothing_yet, page, pick_place
from memfactory_core.trace import replay

SOURCES = {"episode": "An episode's bank", "lines": "Lines of my own"}
LEFT = ("group", "episode", "event", "memory")
LISTED = 200
LINES = "The pet of Bako is Zimo.\nThe city of Rilo is Dema.\nThe boat of Bako is Tuve."
QUESTION = "What is the pet of Bako?"


def of_lines() -> None:
    text = st.text_area("One memory a line", LINES, height=160, key="memory.lines")
    memories = banks.from_lines(text)
    find, list_all = st.tabs(["Query", f"Entries ({len(memories):,})"])
    with find:
        banks.query(memories, QUESTION, ())
    with list_all:
        banks.entries(memories, ())


def of_episode() -> None:
    run, phase, step = pick_place(LEFT)
    if run is None:
        nothing_yet("There is no run yet, so there is no bank of an episode.")
        return
    if not phase:
        nothing_yet("This run has no episodes yet: they appear while it evaluates and trains.")
        return
    rows = queries.episodes(run.id, phase, step, "Reward, lowest first", LISTED)
    names = {row["id"]: f"{row['question'][:80]} · reward {row['reward']:+.2f}" for row in rows}
    given = st.query_params.get("episode")
    if given and given not in names and queries.place_of(run.id, given) == (phase, step):
        names[given] = given
    which, when = st.columns([1.6, 1], gap="medium")
    chosen = which.selectbox(
        "Episode", list(names), format_func=names.get,
        **from_url("episode", list(names), leaves=("event", "memory")),
    )  # fmt: skip
    episode = queries.episode(run.id, chosen)
    if episode is None:
        st.info("There is no such episode.")
        return
    end = len(episode.events)
    if end > 1:
        moment = from_url("event", range(0, end), end - 1)
        end = when.slider("After the event", 0, end - 1, **moment) + 1
    memories = list(replay(episode.events, end).values())
    place = {"run": run.id, "phase": phase, "step": step, "episode": chosen}
    link = {k: str(v) for k, v in place.items()}
    st.page_link(page("episode"), label="Open this episode", icon=":material/arrow_forward:",
                 query_params=link)  # fmt: skip
    needed = episode.example.needed
    find, list_all, life = st.tabs(
        ["Query", f"Entries ({len(memories):,})", "History of an entry"], key="memory.tab"
    )
    with find:
        banks.query(memories, episode.example.question, needed)
    with list_all:
        banks.entries(memories, needed)
    with life:
        banks.history(episode, place, needed)


st.title("Memory")
with errors_in_words():
    source = st.segmented_control(
        "Source", list(SOURCES), format_func=SOURCES.get, required=True,
        label_visibility="collapsed", **from_url("source", list(SOURCES)),
    )  # fmt: skip
    if source == "lines":
        of_lines()
    else:
        of_episode()
