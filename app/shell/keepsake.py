"""What a browser keeps of its user from visit to visit: small tables of words, one cookie each, that say nothing of who
it is. They outlive a reload, another page and the server; another browser begins anew."""

from __future__ import annotations

import base64
import json

import streamlit as st

COOKIE = "memfactory_kept_"
LONGEST = 3500
"""Characters of one cookie; browsers keep 4,096 bytes."""
A_YEAR = 365 * 24 * 3600
Table = dict[str, dict[str, str]]
"""Words by name, in groups."""


def recall(name: str) -> Table:
    """What is kept under a name: of this session, or of the browser's last visit."""
    key = f"kept.{name}"
    if key not in st.session_state:
        st.session_state[key] = unpack(_given(name))
    return st.session_state[key]


def _given(name: str) -> str:
    """The cookie as the browser sent it, "" where it sent none."""
    given = st.context.cookies.get(COOKIE + name)
    return given if isinstance(given, str) else ""


def keep(name: str, group: str, **words: str) -> None:
    """Keeps words in a group, beside those that are there."""
    table = recall(name)
    _change(name, table | {group: table.get(group, {}) | words})


def forget(name: str) -> None:
    """Keeps nothing under a name any more."""
    _change(name, {})


def _change(name: str, table: Table) -> None:
    st.session_state[f"kept.{name}"] = table
    # from now on every page hands it over: what the browser sent is what it had when this session connected
    st.session_state[f"changed.{name}"] = True


def hand_over() -> None:
    """Gives the browser what this session changed and what it keeps otherwise than it came; for the end of a page."""
    lines = []
    for key, table in st.session_state.items():
        name = str(key).removeprefix("kept.")
        if name == key or not isinstance(table, dict):
            continue
        packed = pack(table)
        changed = packed != _given(name) or st.session_state.get(f"changed.{name}")
        if changed and len(packed) <= LONGEST:
            # of letters, digits, - and _ alone, whatever was kept
            lines.append(
                f'document.cookie="{COOKIE}{name}={packed}; path=/; max-age={A_YEAR}; samesite=lax";'
            )
    if lines:
        st.html(f"<script>{''.join(lines)}</script>", unsafe_allow_javascript=True)


def pack(table: Table) -> str:
    """A table as letters, digits, - and _; "" for an empty one."""
    if not table:
        return ""
    text = json.dumps(table, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpack(text: str) -> Table:
    """The table of a cookie; what is no such table is an empty one, for anybody may write into a cookie."""
    if len(text) > LONGEST:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        group: {word: said for word, said in words.items() if isinstance(said, str)}
        for group, words in found.items()
        if isinstance(words, dict)
    }
