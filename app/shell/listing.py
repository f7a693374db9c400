"""Lists of which a page is shown at a time: of entries to choose from, and of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.shell.address import set_address
from app.shell.place import choose_place_or_explain, show_breadcrumbs
from app.shell.widgets import errors_in_words
from memfactory_core.runs.tables import Run

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
    name: str, ids: Sequence[str], read: ReadPage, to_entry: Callable[[dict[str, Any]], Entry],
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
    entries = [to_entry(row) for row in read(ENTRIES_A_PAGE, (number - 1) * ENTRIES_A_PAGE)]
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


def browse(
    title: str,
    thing: str,
    drops: Sequence[str],
    width: float,
    choose: Callable[[Run, str, int], str | None],
    show: Callable[[Run, str, int, str], bool],
    find_group: Callable[[Run, str], str | None] | None = None,
    show_strip: Callable[[Run, str, int], None] | None = None,
) -> None:
    """A whole page at one step of a run: the list that `choose` draws on the left, and what is chosen
    from it on the right, `width` times as wide. `show` gives back whether there is such a one, and
    `find_group` the group to which the way back leads. `show_strip` draws where the step lies in the run."""
    st.title(title)
    with errors_in_words():
        found = choose_place_or_explain(f"{thing} to look at", drops)
        if found is None:
            return
        run, phase, step = found
        if show_strip:
            show_strip(run, phase, step)
        way = st.container()
        left, right = st.columns([1, width], gap="large")
        with left, st.container(key=title.lower()):
            chosen = choose(run, phase, step)
        with way:
            show_breadcrumbs(
                run, phase, step, find_group(run, chosen or "") if find_group else None
            )
        with right:
            if not (chosen and show(run, phase, step, chosen)):
                where = "run" if find_group else "step"
                st.info(f"There is no such {thing} in this {where}: choose one on the left.")
