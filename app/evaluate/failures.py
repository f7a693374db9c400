"""The wrong answers of a measured run, each a way into the debugger."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.causes import count_wrong, list_wrong
from app.reads.steps import list_phases
from app.shell.address import bind_to_address
from app.shell.listing import ROWS_A_PAGE, choose_page
from app.shell.place import link_to_episode
from app.shell.words import describe_phase
from memfactory_core.runs.tables import Run


def show_failures(runs: list[Run]) -> None:
    """The wrong answers of one of the runs, a page at a time."""
    places = {
        f"{run.id}/{phase}": (run, phase)
        for run in runs
        for phase in list_phases(run.id)
        if phase != "train"
    }
    if not places:
        return
    st.subheader("Wrong answers")

    def label(key: str) -> str:
        run, phase = places[key]
        return f"{run.name} · {describe_phase(phase, run.mode).lower()}"

    keys = list(places)
    first = next((key for key in keys if key.endswith("after/greedy")), keys[0])
    chosen = st.selectbox("Of", keys, format_func=label, **bind_to_address("of", keys, first))
    run, phase = places[chosen]
    wrong, total = count_wrong(run.id, phase)
    if not wrong:
        st.success(f"All {total:,} episodes were answered rightly.", icon=":material/check:")
        return
    st.caption(f"{wrong:,} of {total:,} episodes; each opens in the debugger at what caused it.")
    number = choose_page(wrong, f"wrong.{chosen}")
    for row in list_wrong(run.id, phase, ROWS_A_PAGE, (number - 1) * ROWS_A_PAGE):
        show_failure(run, phase, row)


def show_failure(run: Run, phase: str, row: dict[str, Any]) -> None:
    """One wrong answer: the question, what was said and what is right, why, and the way into its episode."""
    question, answer, why, open_it = st.columns([3, 2.2, 1.5, 1.2], vertical_alignment="center")
    question.markdown(escape_markdown(row["failed_question"], 110))
    said = escape_markdown(row["failed_answer"], 60) or "no answer"
    answer.markdown(f"{said}  \n:small[right: {escape_markdown(row['failed_gold'], 40)}]")
    why.markdown(escape_markdown(row["cause"].replace("_", " "), 40))
    place = {"run": run.id, "phase": phase, "step": row["step"], "episode": row["id"]}
    with open_it:
        link_to_episode(place, event=row["cause_seq"])
