"""The whole comparison, from the differences down to two episodes of one example."""

from __future__ import annotations

import streamlit as st

from app.compare.curves import show_curves
from app.compare.differences import show_differences
from app.compare.flips import show_flips
from app.compare.scores import show_scores
from app.compare.settings import show_causes, show_cost, show_settings
from app.compare.sides import choose_sides, has_episodes, label_side, offer_sides
from app.markup.safe_text import escape_markdown
from app.reads.comparisons import compare_with_first
from app.reads.runs import list_measured
from app.shell.address import bind_to_address
from app.shell.widgets import show_empty_state


def show_comparison() -> None:
    """What is different between the chosen runs, how surely, and where to look."""
    runs = list_measured()
    if not runs:
        show_empty_state("There is no run yet, so there is nothing to compare.")
        return
    sides = choose_sides(runs)
    if len(sides) < 2:
        st.info(
            "Choose two runs or more above, or one run before and after its training.",
            icon=":material/compare_arrows:",
        )
        offer_sides(runs, sides)
        return
    bare = [side for side in sides if not has_episodes(side)]
    for side in bare:
        st.warning(
            f"Of {escape_markdown(label_side(side), 100)} no {side.phase.split('/')[1]} episodes are kept, so it "
            "cannot be compared example by example.", icon=":material/info:",
        )  # fmt: skip
    kept = [side for side in sides if side not in bare]
    show_curves(sides)
    found, refused = compare_with_first(kept) if len(kept) > 1 else ({}, {})
    if bare or refused:
        show_scores(sides)
    for side in kept[1:]:
        if side.key in refused:
            one, beside = (escape_markdown(label_side(it), 100) for it in (kept[0], side))
            st.info(
                f"**{one}** and **{beside}** were measured on different examples, so their scores stand beside each "
                "other and no example can be compared. For that, measure both on the same task and seed (Evaluate).",
                icon=":material/info:",
            )  # fmt: skip
    others = [side for side in kept[1:] if side.key in found]
    if others:
        show_differences(kept[0], others, found)
        names = {side.key: label_side(side) for side in others}
        chosen = others[0].key
        if len(others) > 1:
            chosen = st.selectbox(
                f"Look closer at {escape_markdown(label_side(kept[0]), 100)} beside", list(names),
                format_func=names.__getitem__,
                **bind_to_address("with", list(names), others[0].key, drops=("example",)),
            )  # fmt: skip
        other = next(side for side in others if side.key == chosen)
        show_flips(kept[0], other, found[chosen])
        show_causes(kept[0], other, found[chosen])
        show_cost(kept[0], others, found)
    show_settings(sides)
