"""The address bar is the truth about the place that a page shows: widgets are bound to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st


def bind_to_address(
    name: str, options: Sequence[Any], default: Any = None, drops: Sequence[str] = ()
) -> dict[str, Any]:
    """Arguments that bind a widget to a parameter of the address bar, which is the truth: a link
    opened cold, the back button and the widget all lead to the same place. A change drops the
    parameters that it `drops`. The address is only written when the user does something,
    once: each write is a step of the browser's history."""
    key = f"url.{name}"
    given: Any = st.query_params.get(name)
    if isinstance(options, range):
        given = int(given) if given and given.isdecimal() else None
    fallback = default if default in options else options[0]
    st.session_state[key] = given if given in options else fallback

    def write() -> None:
        kept = {k: v for k, v in st.query_params.to_dict().items() if k not in drops}
        st.query_params.from_dict(kept | {name: str(st.session_state[key])})

    return {"key": key, "on_change": write}


def bind_list_to_address(name: str, options: Sequence[str]) -> dict[str, Any]:
    """As `bind_to_address`, for a widget of which several options can be chosen: the parameter holds them with commas
    between. What the address names and the options do not have is left out."""
    key = f"url.{name}"
    given = (st.query_params.get(name) or "").split(",")
    st.session_state[key] = [one for one in dict.fromkeys(given) if one in options]

    def write() -> None:
        kept = {k: v for k, v in st.query_params.to_dict().items() if k != name}
        chosen = ",".join(st.session_state[key])
        st.query_params.from_dict(kept | ({name: chosen} if chosen else {}))

    return {"key": key, "on_change": write}


def set_address(**place: Any) -> None:
    """Makes this the place of the address bar."""
    st.query_params.from_dict({k: str(v) for k, v in place.items() if v is not None})
