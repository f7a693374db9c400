"""How long needed facts survive over a run; memories written for nothing, or lost too early."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.memories import (
    count_memories,
    count_needs,
    list_lost_facts,
    list_needs,
    list_unread_memories,
)
from app.reads.steps import list_phases
from app.run import charts
from app.shell.address import bind_to_address
from app.shell.listing import ROWS_A_PAGE, choose_page
from app.shell.place import link_to_episode
from app.shell.widgets import show_chart, table_with_download
from app.shell.words import describe_moment, describe_phase
from memfactory_core.cli.report import evaluations
from memfactory_core.explain.needs import survival
from memfactory_core.runs.tables import Run

LIST_LABELS = {"lost": "Lost, needed later", "unread": "Never read"}


def show_memories(run: Run) -> None:
    """How long needed facts live, before and after training; memories written for nothing or lost
    too early."""
    phases = list_phases(run.id)
    if not phases:
        st.info("There are no episodes yet: they appear while the run evaluates and trains.")
        return
    left, lists = st.columns([1, 1.15], gap="large")
    with left:
        _show_survival(run, phases)
    with lists:
        _show_lists(run, phases)


def _show_survival(run: Run, phases: list[str]) -> None:
    st.markdown("**Needed facts still in memory**, by sections read since")
    mode = "greedy" if any(phase.endswith("/greedy") for phase in phases) else "sampled"
    series = {}
    for when, label in evaluations(run).items():
        if f"{when}/{mode}" in phases:
            curve = survival(list_needs(run.id, f"{when}/{mode}"))
            if curve:
                series[describe_moment(label)] = curve
    for phase, label in (("train", "while training"), ("imported", "as logged")):
        if not series and phase in phases and (curve := survival(list_needs(run.id, phase))):
            series = {label: curve}
    if not series:
        st.info("This task does not say in which section its needed facts stand.")
        return
    shares = {label: [(age, share) for age, share, _ in curve] for label, curve in series.items()}
    alt = charts.curves_in_words(
        "Share of needed facts still in memory", shares, True, "sections read since"
    )
    show_chart(charts.survival_figure(series), "survival", alt)
    st.caption(
        "At 0 a fact has just been told: what is missing there was never written. Facts told late "
        "are followed less far; hover to see how many are left."
    )
    rows = [
        {"when": label, "sections since": age, "share": round(share, 4), "facts": count}
        for label, curve in series.items()
        for age, share, count in curve
    ]
    table_with_download(rows, "survival")


def _show_lists(run: Run, phases: list[str]) -> None:
    phase = phases[-1]
    if len(phases) > 1:
        start = "train" if "train" in phases else phase
        phase = st.selectbox(
            "Phase", phases, format_func=lambda phase: describe_phase(phase, run.mode),
            **bind_to_address("phase", phases, start),
        )  # fmt: skip
    which = st.segmented_control(
        "List", list(LIST_LABELS), format_func=LIST_LABELS.__getitem__, required=True, label_visibility="collapsed",
        **bind_to_address("list", list(LIST_LABELS), "lost"),
    )  # fmt: skip
    if which == "lost":
        total = count_needs(run.id, phase, were_lost=True)
        all_needs = count_needs(run.id, phase)
        st.caption(f"{total:,} of {all_needs:,} needed facts were deleted or overwritten")
    else:
        total = count_memories(run.id, phase, unread=True)
        st.caption(
            f"{total:,} of {count_memories(run.id, phase):,} memories written were never read"
        )
    if not total:
        st.info("There is none in this phase.", icon=":material/check:")
        return
    number = choose_page(total, f"{which}.{phase}")
    listing = list_lost_facts if which == "lost" else list_unread_memories
    timed = phase == "train"
    for row in listing(run.id, phase, ROWS_A_PAGE, (number - 1) * ROWS_A_PAGE):
        text, open_it = st.columns([4, 1], vertical_alignment="center")
        if which == "lost":
            cause, seq = row["cause"].replace("_", " "), row["cause_seq"]
            note = f"told in section {row['told'] + 1} · {cause}"
        else:
            updates, seq = row["updates"], row["written"]
            note = f"memory {escape_markdown(row['memory_id'], 20)}"
            note += f" · updated {updates:,} {'time' if updates == 1 else 'times'}"
        at = f"step {row['step']:,} · " if timed else ""
        text.markdown(f"{escape_markdown(row['text'], 110)}  \n:small[{at}{note}]")
        place = {"run": run.id, "phase": phase, "step": row["step"], "episode": row["episode_id"]}
        with open_it:
            link_to_episode(place, event=seq)
