"""The row above the list of runs: words, state, paradigm, task, tag and order, all kept in the address bar."""

from __future__ import annotations

import streamlit as st

from app.reads.engine import database_engine
from app.shell.address import bind_list_to_address, bind_text_to_address, bind_to_address
from memfactory_core.runs.search import SORTS, Facets, Query, list_facets

SORT_LABELS = {
    "newest": "newest", "oldest": "oldest", "name": "name", "longest": "longest work",
    "best": "best exact match",
}  # fmt: skip
TEXT_HELP = "Words that stand in the name, the id, a tag or the note; all of them."
NAMES = ("state", "paradigm", "task", "tag")


def choose_query() -> Query:
    """What of the runs is listed, and in which order."""
    facets = list_facets(database_engine())
    words, *boxes, order = st.columns([2, 1.4, 1.4, 1.4, 1.4, 1.6], gap="small")
    text = words.text_input(
        "Search", placeholder="Words", help=TEXT_HELP, **bind_text_to_address("words", drops=("page",))
    )  # fmt: skip
    chosen = {}
    for column, name, known in zip(boxes, NAMES, _options(facets), strict=True):
        chosen[name] = column.multiselect(
            name.capitalize(), known, placeholder="Any",
            format_func=lambda value: value.replace("_", " "),
            **bind_list_to_address(name, known, drops=("page",)),
        )  # fmt: skip
    sort = order.selectbox(
        "Order", SORTS, format_func=SORT_LABELS.__getitem__, **bind_to_address("sort", SORTS, "newest")
    )  # fmt: skip
    return Query(
        text, chosen["state"], chosen["paradigm"], chosen["task"], chosen["tag"],
        st.query_params.get("sweep", ""), sort,
    )  # fmt: skip


def _options(facets: Facets) -> tuple[list[str], list[str], list[str], list[str]]:
    return facets.states, facets.paradigms, facets.tasks, facets.tags


def is_filtered(query: Query) -> bool:
    """Whether a query leaves any run out."""
    return query._replace(sort="newest") != Query(states=[], paradigms=[], tasks=[], tags=[])
