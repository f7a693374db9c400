"""Where a bank comes from: an episode at any moment, a chat, or pasted lines."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import one_line
from app.memory.bank import show_bank, show_entries
from app.memory.search import memories_from_lines, show_query
from app.reads.chats import list_chats, read_chat
from app.reads.episodes import list_episodes, read_episode
from app.reads.steps import find_place
from app.shell.address import bind_to_address
from app.shell.pages import page
from app.shell.place import choose_place_or_explain, link_to_episode
from app.shell.words import describe_age
from memfactory_core.trace import Episode

SOURCES = {"episode": "An episode's bank", "chat": "A chat's bank", "lines": "Lines of my own"}
DROPPED = ("group", "episode", "event", "memory")
LISTED = 200
LINES = "The pet of Bako is Zimo.\nThe city of Rilo is Dema.\nThe boat of Bako is Tuve."
QUESTION = "What is the pet of Bako?"


def _show_lines() -> None:
    text = st.text_area("One memory a line", LINES, height=160, key="memory.lines")
    memories = memories_from_lines(text)
    find, list_all = st.tabs(["Query", f"Entries ({len(memories):,})"])
    with find:
        show_query(memories, QUESTION, ())
    with list_all:
        show_entries(memories, ())


def _choose_moment(episode: Episode) -> int:
    end = len(episode.events)
    if end > 1:
        end = (
            st.slider(
                "After the event", 0, end - 1, **bind_to_address("event", range(end), end - 1)
            )
            + 1
        )
    return end


def _show_chat() -> None:
    found = list_chats()
    names = {
        c.id: f"{one_line(c.question, 70)} · {c.agent} · {describe_age(c.created)}" for c in found
    }
    if not names:
        st.info("No chat is kept yet: ask an agent something, then its memory can be seen here.")
        st.page_link(page("chat"), label="Open the chat")
        return
    if st.query_params.get("chat", found[0].id) not in names:
        st.warning("This chat is not kept any more; this is the newest one.")
    which, when = st.columns([1.6, 1], gap="medium")
    chosen = which.selectbox(
        "Chat", list(names), format_func=names.__getitem__,
        **bind_to_address("chat", list(names), drops=("event", "memory")),
    )  # fmt: skip
    episode = read_chat(chosen)
    if episode:
        with when:
            end = _choose_moment(episode)
        show_bank(episode, end, None)


def _show_episode() -> None:
    found = choose_place_or_explain("bank of an episode", DROPPED)
    if not found:
        return
    run, phase, step = found
    rows = list_episodes(run.id, phase, step, "Reward, lowest first", LISTED)
    earned = bool(run.settings.get("reward"))
    names = {
        row["id"]: one_line(row["question"]) + (f" · reward {row['reward']:+.2f}" if earned else "")
        for row in rows
    }
    given = st.query_params.get("episode")
    if given and given not in names and find_place(run.id, given) == (phase, step):
        names[given] = given
    which, when = st.columns([1.6, 1], gap="medium")
    chosen = which.selectbox(
        "Episode", list(names), format_func=names.__getitem__,
        **bind_to_address("episode", list(names), drops=("event", "memory")),
    )  # fmt: skip
    episode = read_episode(run.id, chosen)
    if episode is None:
        st.info("There is no such episode.")
        return
    with when:
        end = _choose_moment(episode)
    place = {"run": run.id, "phase": phase, "step": step, "episode": chosen}
    link_to_episode(place, "Open this episode")
    show_bank(episode, end, place)


def show_source() -> None:
    """The source that is chosen, and its bank."""
    source = st.segmented_control(
        "Source", list(SOURCES), format_func=SOURCES.__getitem__, required=True,
        label_visibility="collapsed", **bind_to_address("source", list(SOURCES)),
    )  # fmt: skip
    {"lines": _show_lines, "chat": _show_chat, "episode": _show_episode}[source]()
