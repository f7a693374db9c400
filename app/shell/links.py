"""Ways from one place of the lab to another. Streamlit's own links and switches to the page that is open change what is
shown and leave the address bar as it was; here the address is what is changed."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from app.shell.address import set_address
from app.shell.pages import page

HERE = "shell.page"
"""Where the session keeps the address of the page that is open."""


def note_page(open_page: Any) -> None:
    """Remembers which page is open."""
    st.session_state[HERE] = open_page.url_path


def is_here(name: str) -> bool:
    """Whether the page of this name is the one that is open."""
    return st.session_state.get(HERE) == page(name).url_path


def go_to(name: str, **place: Any) -> None:
    """Opens a place; nothing after it is run."""
    if is_here(name):
        set_address(**place)
        st.rerun()
    st.switch_page(page(name), query_params={key: str(value) for key, value in place.items()})


def link_to(
    name: str,
    label: str,
    key: str,
    icon: str | None = None,
    width: Literal["content", "stretch"] = "content",
    **place: Any,
) -> None:
    """A link to a place, with its label as markdown. `key` tells it from the others of the page."""
    if is_here(name):
        # not on_click: within a fragment the whole page would not be drawn anew
        if st.button(label, key=f"link.{key}", icon=icon, type="tertiary", width=width):
            go_to(name, **place)
        return
    params = {name: str(value) for name, value in place.items()}
    st.page_link(page(name), label=label, icon=icon, query_params=params, width=width)
