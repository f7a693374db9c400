"""A short tour of the lab for those who are here for the first time; who closes it does not see it again."""

from __future__ import annotations

import streamlit as st

from app.shell.keepsake import keep, recall
from app.shell.pages import PAGES, page

KEPT = "tour"
STOPS = (
    ("learn", "Ten minutes each: predict, look, change, check. The first lesson needs nothing but this page."),
    ("compose", "Put an agent's memory together from parts, or take a preset, and start a run."),
    ("runs", "Curves, results, causes. A click on a curve opens what happened in that step."),
    ("groups", "Several attempts at one example, side by side: what the reward compares."),
    ("episode", "One attempt, moment by moment: what was read, written and lost, and what if it had not been."),
    ("memory", "Any bank at any moment: ask it something, see ranks and scores."),
    ("chat", "Talk to a trained agent and look into its memory."),
)  # fmt: skip


def is_closed() -> bool:
    """Whether this browser's user has closed the tour."""
    return recall(KEPT).get("tour", {}).get("closed") == "yes"


def show_tour() -> None:
    """The tour's present stop, until it is closed."""
    if is_closed():
        return
    at = min(int(st.session_state.get("tour.at", 0)), len(STOPS) - 1)
    name, told = STOPS[at]
    title, icon = PAGES[name]
    with st.container(border=True, key="tour"):
        st.markdown(f"**{icon} {title}** · {at + 1} of {len(STOPS)}  \n{told}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button("Back", key="tour.back", disabled=at == 0, on_click=_go, args=(at - 1,))
            st.button(
                "Next", key="tour.next", disabled=at == len(STOPS) - 1, on_click=_go, args=(at + 1,)
            )
            st.page_link(page(name), label=f"Open {title}", icon=":material/arrow_forward:")
            st.button(
                "Close the tour", key="tour.close", icon=":material/close:", type="tertiary",
                on_click=keep, args=(KEPT, "tour"), kwargs={"closed": "yes"},
            )  # fmt: skip


def _go(at: int) -> None:
    st.session_state["tour.at"] = at
