"""What lessons take from the runs that come with the package: whole episodes, and the way to them in the lab."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from app.reads.examples import find_example
from app.shell.pages import page
from memfactory_core.errors import RunError
from memfactory_core.trace import Episode


@lru_cache(maxsize=16)
def read_stored(name: str, phase: str, step: int | None = None) -> tuple[Episode, ...]:
    """The episodes of an example run of one phase (and step), as the package holds them. RunError where it was built
    without them."""
    try:
        from memfactory_core.runs import examples

        return tuple(examples.stored_episodes(name, phase, step))
    except (ImportError, OSError) as error:
        raise RunError(
            "this installation was built without the example runs, from which this lesson takes its episodes"
        ) from error


def link_to_stored(name: str, label: str, screen: str, **place: str) -> None:
    """A way to a place of an example run in the lab; where the run is not here, what brings it in."""
    run = find_example(name)
    if run:
        st.page_link(
            page(screen), label=label, icon=":material/arrow_forward:",
            query_params={"run": run.id, **place},
        )  # fmt: skip
        return
    st.caption("The example runs are not in this lab; the overview brings them in.")
