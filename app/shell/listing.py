"""Lists of which a page is shown at a time: of entries to choose from, and of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.shell.address import set_address

ENTRIES_A_PAGE = 8


ReadPage = Callable[[int, int], list[dict[str, Any]]]
"""(limit, offset) -> one page of rows."""


@dataclass(frozen=True)
class Entry:
    """One line of a list: the id it stands for, its label (markdown) and its icon."""

    id: str
    label: str
    icon: str


def choose_entry(
    name: str, ids: Sequence[str], read: ReadPage, look: Callable[[dict[str, Any]], Entry],
    place: dict[str, Any],
) -> str | None:  # fmt: skip
    """One page of entries as buttons that put their id under `name` into the address bar; the id that
    is chosen, the first one where the address names none. An id that comes by the address brings
    its page."""
    pages, key = -(-len(ids) // ENTRIES_A_PAGE), f"{name}.page"
    given = st.query_params.get(name)
    if given in ids and given != st.session_state.get(f"{name}.seen"):
        st.session_state[f"{name}.seen"] = given
        st.session_state[key] = ids.index(given) // ENTRIES_A_PAGE + 1
    number = min(st.session_state.get(key, 1), pages) or 1
    entries = [look(row) for row in read(ENTRIES_A_PAGE, (number - 1) * ENTRIES_A_PAGE)]
    chosen = given or (entries[0].id if entries else None)
    for entry in entries:
        st.button(
            entry.label, key=f"{name}.{entry.id}", icon=entry.icon, width="stretch", on_click=set_address,
            type="secondary" if entry.id == chosen else "tertiary",
            kwargs=place | {name: entry.id},
        )  # fmt: skip
    if pages > 1:
        st.pagination(pages, key=key, max_visible_pages=5)
    return chosen


ROWS_A_PAGE = 8


def choose_page(total: int, key: str) -> int:
    """The number of the page of a list that is shown, from 1; to be changed where there are several."""
    return 1 if total <= ROWS_A_PAGE else st.pagination(-(-total // ROWS_A_PAGE), key=key)
