"""The name of a model as a widget: what is here is offered, what is not can be fetched."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.shell.widgets import errors_in_words
from app.shell.words import begin_upper
from memfactory_core.errors import ConfigError
from memfactory_core.models.catalogue import KNOWN, Use, find_known
from memfactory_core.models.manifest import list_manifests
from memfactory_core.models.resolve import find_fetched, resolve_model
from memfactory_core.runs.fetching import can_fetch, start_fetch, watch_fetch

LOOK_EVERY = 1.0
"""Seconds between two looks at a fetch that is under way."""


def edit_model(title: str, use: Use, value: str, common: dict[str, Any]) -> str:
    """A model's name: fetched ones first, then those that can be fetched by name; any other may be typed."""
    with errors_in_words():
        here = [manifest.name for manifest in list_manifests() if manifest.use == use]
        named = [known.name for known in KNOWN.values() if known.use == use]
        options = list(dict.fromkeys([*([value] if value else []), *here, *named]))
        chosen = st.selectbox(
            title, options, index=0 if value else None, accept_new_options=True, **common,
        )  # fmt: skip
        if chosen:
            _tell_of(chosen, common["key"])
        return chosen or ""
    return value


def _tell_of(name: str, key: str) -> None:
    """Where the model is, or how it gets here."""
    try:
        folder = resolve_model(name)
    except ConfigError as error:
        _offer(name, str(error), key)
        return
    found = find_fetched(name)
    told = f"{found.source}, {found.bytes / 1e6:.0f} MB, {found.licence}" if found else str(folder)
    st.caption(f":material/check: {escape_markdown(told)}")


def _offer(name: str, reason: str, key: str) -> None:
    progress = watch_fetch(name) if can_fetch(name) else None
    if progress and not progress.error:
        _follow(name)
        return
    told = begin_upper(progress.error if progress else reason)
    st.caption(f":material/download: {escape_markdown(told)}")
    known = find_known(name)
    size = f" ({known.megabytes} MB, {known.licence})" if known else ""
    if can_fetch(name) and st.button(f"Fetch{size}", key=f"{key}.fetch", help="memfactory get"):
        start_fetch(name)
        st.rerun()


@st.fragment(run_every=LOOK_EVERY)
def _follow(name: str) -> None:
    progress = watch_fetch(name)
    if progress is None or progress.error:
        st.rerun()  # the whole form: the model is here, or the reason is told
    elif progress.total:
        st.progress(min(1.0, progress.done / progress.total), escape_markdown(progress.line))
    else:
        st.caption(escape_markdown(progress.line))
