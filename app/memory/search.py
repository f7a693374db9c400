"""A bank to look into: the entries, what any retriever finds for a query and why, and the history
of one entry."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import streamlit as st

from app.markup.answers import answer_cards
from app.markup.differences import show_write
from app.markup.hits import hits_table
from app.markup.labels import ACTIONS, tag
from app.markup.safe_text import escape_html, mark_needed, one_line, show_text
from app.markup.sections import section_cards
from app.shell.address import bind_to_address
from app.shell.pages import page
from memfactory_core.component import kinds
from memfactory_core.errors import ConfigError
from memfactory_core.explain import moments, story
from memfactory_core.retrievers import Retriever
from memfactory_core.scoring.retrieval import LARGE, fill, retrieve
from memfactory_core.trace import Asked, Episode, Recalled, Wrote, replay
from memfactory_core.types import Evidence, Example, Hit, Memory

MOST_LINES = 5000
"""Pasted lines that are taken."""
MEMORIES_A_PAGE = 50
CHAT_SECTIONS = 30
"""Sections of a chat's reading that are shown."""


def memories_from_lines(text: str) -> list[Memory]:
    """One memory for each line that is not empty. ConfigError where there are too many."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) > MOST_LINES:
        raise ConfigError(f"that makes {len(lines):,} memories; {MOST_LINES:,} are taken at most")
    return [Memory(id=str(i), text=line, created=i) for i, line in enumerate(lines, 1)]


def find_hits(retriever: Retriever, query: str, memories: Sequence[Memory]) -> list[Hit]:
    """What a retriever finds in these memories. ConfigError where it asks a policy."""
    example = Example(id="query", observations=(), question=query, answers=())
    bank = fill(LARGE, [memory.text for memory in memories])
    made = {entry.id: memory for entry, memory in zip(bank.all(), memories, strict=True)}
    return [
        hit.model_copy(update={"memory": made[hit.memory.id]})
        for hit in retrieve(retriever, example, bank)
    ]


@cache
def free_retrievers() -> list[str]:
    """The kinds of retrievers that need no policy."""
    memories, free = memories_from_lines("One thing.\nAnother thing."), []
    for name, kind in kinds("retrievers").items():
        try:
            find_hits(kind(), "thing", memories)
        except ConfigError:
            continue
        free.append(name)
    return free


def show_query(memories: Sequence[Memory], question: str, needed: Sequence[Evidence]) -> None:
    """A query, a retriever, and what it finds with every score."""
    known = free_retrievers()
    ask, how, many = st.columns([3, 1.4, 0.8])
    asked = ask.text_input("Query", question, key=f"query.{question}")
    start = "bm25" if "bm25" in known else known[0]
    name = how.selectbox(
        "Retriever", known, format_func=lambda n: n.replace("_", " "),
        **bind_to_address("retriever", known, start),
    )  # fmt: skip
    kind = kinds("retrievers")[name]
    limited = "top_k" in kind.model_fields
    top = many.number_input("At most", 1, 1000, 5, disabled=not limited, key="query.top")
    st.caption(kind.summary())
    if not asked.strip():
        st.info("Type a query to see what is found.")
        return
    found = find_hits(kind(**({"top_k": int(top)} if limited else {})), asked, memories)
    table = hits_table(found, needed)
    st.html(f'<div class="mf mf-wide" role="group" aria-label="What was found">{table}</div>')
    st.caption(f"Read: {len(found):,} of {len(memories):,} memories.")


def show_entries(memories: Sequence[Memory], needed: Sequence[Evidence]) -> None:
    """Every entry of the bank."""
    if not memories:
        st.info("This bank is empty.")
        return
    start = 0
    if len(memories) > MEMORIES_A_PAGE:
        start = (
            st.pagination(-(-len(memories) // MEMORIES_A_PAGE), key="bank.page") - 1
        ) * MEMORIES_A_PAGE
    rows = "".join(
        f"<tr><td>{escape_html(memory.id, 40)}</td><td>{mark_needed(memory.text, needed)}</td>"
        f"<td>{_describe_source(memory)}</td></tr>"
        for memory in memories[start : start + MEMORIES_A_PAGE]
    )
    head = "<tr><th>Id</th><th>Memory</th><th>From</th></tr>"
    st.html(
        f'<div class="mf mf-wide" role="group" aria-label="Entries of the bank">'
        f'<table class="mf-table"><thead>{head}</thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _describe_source(memory: Memory) -> str:
    return "–" if memory.source is None else f"section {memory.source + 1}"


def show_bank(episode: Episode, end: int, place: dict[str, Any] | None) -> None:
    """The bank of an episode or a chat after the events before `end`: a query, its entries, an
    entry's life. `place` is the episode's address; a chat, which has none, shows its own story."""
    memories, needed = list(replay(episode.events, end).values()), episode.example.needed
    titles = ["Query", f"Entries ({len(memories):,})", "History of an entry"]
    tabs = st.tabs([*titles, *([] if place else ["The reading"])], key="memory.tab")
    with tabs[0]:
        show_query(memories, episode.example.question, needed)
    with tabs[1]:
        show_entries(memories, needed)
    with tabs[2]:
        show_history(episode, place, needed)
    if not place:
        with tabs[3]:
            told = story.sections(episode.example, episode.events)[:CHAT_SECTIONS]
            st.html(section_cards(episode.example, told) + answer_cards(episode))


def show_history(
    episode: Episode, place: dict[str, Any] | None, needed: Sequence[Evidence]
) -> None:
    """The life of one entry, event by event, each a link into the episode where it has an
    address."""
    written = [e.memory_id for e in episode.events if isinstance(e, Wrote) and e.memory_id]
    ids = list(dict.fromkeys(written))
    if not ids:
        st.info("Nothing was ever written in this episode.")
        return
    chosen = st.selectbox(
        "Entry", ids, format_func=lambda i: f"{one_line(i, 20)}: {_last_words(episode, i)}",
        **bind_to_address("memory", ids),
    )  # fmt: skip
    for event in moments.history(episode, chosen):
        told, link = st.columns([4, 1], vertical_alignment="center")
        where = "while answering" if event.at is None else f"in section {event.at + 1}"
        told.html(f'<div class="mf">{_show_event(event, chosen, where, needed)}</div>')
        if place is None:
            continue
        link.page_link(
            page("episode"), label="Open", icon=":material/arrow_forward:",
            query_params={k: str(v) for k, v in place.items()}
            | {"view": "steps", "event": str(event.seq)},
        )  # fmt: skip


def _last_words(episode: Episode, memory_id: str) -> str:
    writes = (e for e in episode.events if isinstance(e, Wrote) and e.memory_id == memory_id)
    texts = [event.after or event.before or "" for event in writes]
    return one_line(texts[-1], 70)


def _show_event(event: Any, memory_id: str, where: str, needed: Sequence[Evidence]) -> str:
    if isinstance(event, Recalled):
        rank = next(i for i, hit in enumerate(event.hits, 1) if hit.memory.id == memory_id)
        label = tag("", "⌕", "Recalled")
        return f"{label} {where}, rank {rank} for {show_text(event.query)}"
    if isinstance(event, Asked):
        role = moments.ROLES.get(event.role, event.role).lower()
        return f"{tag('good', '❝', 'Cited')} {where} ({escape_html(role, 60)})"
    label = tag(event.action, *ACTIONS[event.action])
    return f"{label} {where}{show_write(event, needed)}"
