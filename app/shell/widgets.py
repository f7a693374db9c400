"""Widgets that several screens share: charts with their tables, errors in words, the empty state."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from app.markup.safe_text import escape_markdown
from app.shell.address import bind_to_address
from app.shell.pages import page
from memfactory_core.errors import MemFactoryError


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Shows an error that the user can mend as one line; a traceback goes to the server's log."""
    try:
        yield
    except MemFactoryError as error:
        st.error(escape_markdown(str(error), 800), icon=":material/error:")
    except DBAPIError as error:
        logging.getLogger(__name__).exception("the database cannot be read")
        st.error(
            f"The database cannot be read: {error.orig}. Was it made by another version? "
            "Then set MEMFACTORY_RUNS to a new folder.",
            icon=":material/error:",
        )


def keep_current(
    draw: Callable[[], None], is_active: Callable[[], bool], every: float = 3.0
) -> None:
    """Draws a part of a page, and again after every so many seconds while what it shows is under way; the whole page
    once that has ended."""
    active = is_active()

    @st.fragment(run_every=every if active else None)
    def live() -> None:
        with errors_in_words():  # a fragment's errors do not reach the page
            if active and not is_active():
                st.rerun()
            draw()

    live()


def choose_view(views: dict[str, str]) -> str:
    """Which view of a page is open, of views by their names in the address; the first where it names none."""
    names = list(views)
    chosen = st.segmented_control(
        "View", names, format_func=views.__getitem__, required=True, label_visibility="collapsed",
        **bind_to_address("view", names, names[0]),
    )  # fmt: skip
    return str(chosen)


WITHOUT_BUTTONS = {"displayModeBar": False}
"""Charts without Plotly's buttons, which are eight stops of the Tab key for each chart."""


def show_chart(figure: Any, key: str, alt: str) -> None:
    """A chart to look at, with its description for those who cannot."""
    st.plotly_chart(figure, key=key, alt=alt, config=WITHOUT_BUTTONS)


def clickable_chart(
    figure: Any, key: str, alt: str, on_click: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any] | None:
    """A chart whose points and bars can be clicked. The chosen point is given back; `on_click`
    gets it once, before the page runs again."""

    def clicked() -> None:
        points = st.session_state[key].selection.points
        if points and on_click:
            on_click(points[0])

    event = st.plotly_chart(
        figure, key=key, alt=alt, on_select=clicked, selection_mode="points", config=WITHOUT_BUTTONS
    )
    points = event.selection.points if event else []
    return points[0] if points else None


def table_with_download(
    rows: Sequence[dict[str, Any]], name: str, title: str = "The figures as a table"
) -> None:
    """The table behind a chart, and its file."""
    with st.expander(title):
        st.dataframe(list(rows), hide_index=True, alt=title)
        file = io.StringIO()
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
        st.download_button(
            "Download as CSV", file.getvalue(), f"{name}.csv", "text/csv", key=f"csv.{name}",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip


def show_empty_state(what: str) -> None:
    """Stands where there is nothing to show, with the way to something."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(what, width="content")
        if st.button("Compose a run", type="primary", icon=":material/tune:"):
            st.switch_page(page("compose"))
