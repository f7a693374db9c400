"""Which runs are compared: two to six sides, a run before or after its training, and the decoding they are taken in."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.markup.safe_text import escape_markdown, one_line
from app.reads.runs import ANSWERING
from app.reads.steps import list_phases
from app.shell.address import bind_list_to_address, bind_to_address
from memfactory_core.runs.attempts import WHENS, Side
from memfactory_core.runs.labels import tell_apart
from memfactory_core.runs.tables import Run

OFFERED = 3
"""Runs that are offered before and after their training while nothing is chosen."""
MOST = 6
"""Sides that are compared at once."""
DECODINGS = {"greedy": "greedy", "sampled": "sampled (avg@k)"}
SIDES_HELP = (
    "The first one is what the others are compared with. A run that trained can stand here twice: before and "
    "after its training."
)


def list_sides(runs: Sequence[Run]) -> dict[str, tuple[Run, str]]:
    """Every side by its key: the run and when."""
    sides: dict[str, tuple[Run, str]] = {}
    for run in runs:
        for when in reversed(WHENS) if run.mode in ANSWERING else ():
            if run.summary.get(when):
                sides[run.id if when == "after" else f"{run.id}@{when}"] = (run, when)
    return sides


def offer_sides(runs: Sequence[Run], chosen: Sequence[Side]) -> None:
    """One click to a comparison while fewer than two sides are chosen: a run before and after its training."""
    sides = list_sides(runs)
    own = [side.run for side in chosen] or runs
    labels = _label(runs)
    offered = [run for run in own if {run.id, f"{run.id}@before"} <= sides.keys()][:OFFERED]
    with st.container(horizontal=True):
        for run in offered:
            name = escape_markdown(labels[run.id], 60)
            st.button(
                f"{name}: before and after", key=f"compare.offer.{run.id}", icon=":material/compare_arrows:",
                on_click=_choose, args=(f"{run.id}@before,{run.id}",),
            )  # fmt: skip


def _label(runs: Sequence[Run]) -> dict[str, str]:
    return tell_apart((run.id, run.name, run.created) for run in runs)


def _choose(keys: str) -> None:
    st.query_params["runs"] = keys


def choose_sides(runs: Sequence[Run]) -> list[Side]:
    """The sides chosen of these runs by name, in their order; [] where there are fewer than two to choose from."""
    known, labels = list_sides(runs), _label(runs)

    def label(key: str) -> str:
        run, when = known[key]
        name = one_line(labels[run.id], 90)
        if run.mode == "evaluate":
            return name
        return f"{name}, {when}" if when == "untrained" else f"{name}, {when} training"

    left, right = st.columns([4, 1], gap="medium", vertical_alignment="bottom")
    chosen = left.multiselect(
        "Runs", list(known), format_func=label, max_selections=MOST, help=SIDES_HELP,
        placeholder="Choose two to six by name", wrap=True, **bind_list_to_address("runs", list(known)),
    )  # fmt: skip
    decoding = right.selectbox(
        "Decoding", list(DECODINGS), format_func=DECODINGS.__getitem__,
        **bind_to_address("decoding", list(DECODINGS), "greedy"),
    )  # fmt: skip
    st.session_state["compare.labels"] = {key: label(key) for key in chosen}
    return [Side(known[key][0], f"{known[key][1]}/{decoding}") for key in chosen]


def label_side(side: Side) -> str:
    """A side as the choice names it."""
    return st.session_state["compare.labels"].get(side.key, side.run.name)


def has_episodes(side: Side) -> bool:
    """Whether episodes are kept of a side: an export may have left them out."""
    return side.phase in list_phases(side.run.id)
