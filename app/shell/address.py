"""The address bar is the truth about the place that a page shows: widgets are bound to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

NUMBER = re.compile("-?[0-9]{1,9}")


def bind_to_address(
    name: str, options: Sequence[Any], default: Any = None, drops: Sequence[str] = ()
) -> dict[str, Any]:
    """Arguments that bind a widget to a parameter of the address bar, which is the truth: a link
    opened cold, the back button and the widget all lead to the same place. A change drops the
    parameters that it `drops`. The address is only written when the user does something,
    once: each write is a step of the browser's history. Where the options are numbers, its value is
    one, too."""
    key = f"url.{name}"
    given: Any = st.query_params.get(name)
    if isinstance(options[0], int):
        given = int(given) if given and NUMBER.fullmatch(given) else None
    fallback = default if default in options else options[0]
    st.session_state[key] = given if given in options else fallback

    def write() -> None:
        kept = {k: v for k, v in st.query_params.to_dict().items() if k not in drops}
        st.query_params.from_dict(kept | {name: str(st.session_state[key])})

    return {"key": key, "on_change": write}


def bind_text_to_address(name: str, drops: Sequence[str] = ()) -> dict[str, Any]:
    """As `bind_to_address`, for a field of text; an empty one has no parameter."""
    key = f"url.{name}"
    st.session_state[key] = st.query_params.get(name, "")
    return {"key": key, "on_change": _writer(name, drops)}


def bind_page_to_address(name: str, pages: int) -> dict[str, Any]:
    """As `bind_to_address`, for the number of a list's page, from 1; the first one has no parameter."""
    key, given = f"url.{name}", st.query_params.get(name, "")
    number = int(given) if given.isdecimal() and len(given) < 10 else 1
    st.session_state[key] = min(max(1, number), pages)
    return {"key": key, "on_change": _writer(name, first=1)}


def _writer(name: str, drops: Sequence[str] = (), first: Any = "") -> Callable[[], None]:
    """Writes a widget's value into the address, or takes its parameter out where it is the `first` one."""

    def write() -> None:
        value = st.session_state[f"url.{name}"]
        gone = {name, *drops}
        kept = {k: v for k, v in st.query_params.to_dict().items() if k not in gone}
        st.query_params.from_dict(kept | ({} if value == first else {name: str(value)}))

    return write


def bind_list_to_address(
    name: str, options: Sequence[str], drops: Sequence[str] = ()
) -> dict[str, Any]:
    """As `bind_to_address`, for a widget of which several options can be chosen: the parameter holds them with commas
    between. What the address names and the options do not have is left out."""
    key = f"url.{name}"
    given = (st.query_params.get(name) or "").split(",")
    st.session_state[key] = [one for one in dict.fromkeys(given) if one in options]

    def write() -> None:
        gone = {name, *drops}
        kept = {k: v for k, v in st.query_params.to_dict().items() if k not in gone}
        chosen = ",".join(st.session_state[key])
        st.query_params.from_dict(kept | ({name: chosen} if chosen else {}))

    return {"key": key, "on_change": write}


def bind_steps_to_address(
    name: str, reach: tuple[int, int], default: tuple[int, int]
) -> dict[str, Any]:
    """As `bind_to_address`, for a slider with two ends within `reach`: the parameter holds them as `first-last`."""
    key = f"url.{name}"
    ends = (st.query_params.get(name) or "").split("-")
    st.session_state[key] = default
    if len(ends) == 2 and all(end.isdecimal() and len(end) < 10 for end in ends):
        first, last = (min(max(int(end), reach[0]), reach[1]) for end in ends)
        st.session_state[key] = (first, last) if first <= last else default

    def write() -> None:
        first, last = st.session_state[key]
        st.query_params[name] = f"{first}-{last}"

    return {"key": key, "on_change": write}


def set_address(**place: Any) -> None:
    """Makes this the place of the address bar."""
    st.query_params.from_dict({k: str(v) for k, v in place.items() if v is not None})
