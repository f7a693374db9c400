"""Why answers were wrong, over a whole run: causes over steps with the list behind each bar."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.markup.labels import cause_line
from app.markup.safe_text import escape_markdown
from app.reads.causes import count_causes, count_failures, list_failures
from app.reads.steps import list_phases
from app.run import charts
from app.shell.address import bind_to_address
from app.shell.listing import ROWS_A_PAGE, choose_page
from app.shell.place import link_to_episode
from app.shell.widgets import clickable_chart, table_with_download
from app.shell.words import describe_phase
from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.stages import starts, tell_stretches
from memfactory_core.runs.tables import Run

ALL_STEPS = "all"
TIMED = "train"
"""The phase whose episodes lie at many steps; those of an evaluation or a log lie at one."""


def show_causes(run: Run) -> None:
    """Causes over the steps, before and after training; the episodes behind each bar."""
    phase = _choose_phase(run)
    if phase is None:
        return
    bars = count_causes(run.id, phase)
    totals: dict[str, int] = {}
    for bar in bars:
        for cause, count in bar["causes"].items():
            totals[cause] = totals.get(cause, 0) + count
    count = sum(bar["all"] for bar in bars)
    if not totals:
        st.success(f"All {count:,} episodes kept of this phase were answered rightly.")
        return
    names = sorted(totals, key=lambda cause: -totals[cause])
    looks = {cause: list(CAUSES).index(cause) if cause in CAUSES else 0 for cause in names}
    timed = phase == TIMED
    places = [_describe_steps(bar) if timed else describe_phase(phase, run.mode) for bar in bars]
    changes: list[float] = []
    if timed:
        training = run.settings.get("training", {})
        stretches = [(bar["first"], bar["last"]) for bar in bars]
        changes = charts.places_between(stretches, starts(training))
        if told := tell_stretches(training):
            st.info(escape_markdown(told, 800), icon=":material/stairs:")
    left, words = st.columns([1.7, 1], gap="large")
    with left:
        st.markdown(f"**Wrong answers by cause**, share of the {count:,} episodes kept")
        shares = {c: [bar["causes"].get(c, 0) / bar["all"] for bar in bars] for c in names}
        figure = charts.bar_figure(places, shares, looks, "step" if timed else "", changes)

        def list_it(point: dict[str, Any]) -> None:
            name, number = point["customdata"][:2]
            st.query_params.update(
                {"cause": name} | ({"steps": places[int(number)]} if timed else {})
            )

        alt = f"Causes of wrong answers{' over steps' if timed else ''}: {_describe_totals(totals, count)}"
        clickable_chart(figure, f"causes.{phase}", alt, list_it)
        st.caption("Click a part of a bar, or choose below, to list its episodes.")
    with words:
        st.markdown("**What the causes mean**")
        lines = "".join(cause_line(cause, totals[cause]) for cause in names)
        st.html(lines)
    rows = [
        {
            "steps" if timed else "phase": place,
            "episodes": bar["all"],
            **{c: bar["causes"].get(c, 0) for c in names},
        }
        for place, bar in zip(places, bars, strict=True)
    ]
    table_with_download(rows, f"causes-{phase.replace('/', '-')}")
    _show_failures(run, phase, names, places, bars)


def _describe_totals(totals: dict[str, int], count: int) -> str:
    counts = (f"{name.replace('_', ' ')} {number:,}" for name, number in totals.items())
    return f"{', '.join(counts)} of {count:,} episodes"


def _describe_steps(bar: dict[str, Any]) -> str:
    first, last = bar["first"], bar["last"]
    return str(first) if first == last else f"{first}–{last}"


def _choose_phase(run: Run) -> str | None:
    phases = list_phases(run.id)
    if not phases:
        st.info("There are no episodes yet: they appear while the run evaluates and trains.")
        return None
    if len(phases) == 1:
        return phases[0]
    start = "train" if "train" in phases else phases[-1]
    bound = bind_to_address("phase", phases, start, drops=("cause", "steps"))
    return st.segmented_control(
        "Phase",
        phases,
        format_func=lambda phase: escape_markdown(describe_phase(str(phase), run.mode)),
        required=True,
        **bound,
    )


def _show_failures(
    run: Run, phase: str, names: list[str], places: list[str], bars: list[dict[str, Any]]
) -> None:
    timed = phase == TIMED
    which, when = st.columns(2, gap="medium")
    cause = which.selectbox(
        "Cause", names, format_func=lambda c: c.replace("_", " "), **bind_to_address("cause", names)
    )
    chosen = ALL_STEPS
    if timed:
        options = [ALL_STEPS, *places]
        chosen = when.selectbox("Steps", options, **bind_to_address("steps", options, ALL_STEPS))
    bar = None if chosen == ALL_STEPS else bars[places.index(chosen)]
    steps = (bar["first"], bar["last"]) if bar else (bars[0]["first"], bars[-1]["last"])
    total = count_failures(run.id, phase, cause, steps)
    episodes = "episode" if total == 1 else "episodes"
    st.caption(f"{total:,} {episodes}: {escape_markdown(CAUSES.get(cause, cause))}")
    number = choose_page(total, f"failures.{phase}.{cause}.{chosen}")
    listed = list_failures(run.id, phase, cause, steps, ROWS_A_PAGE, (number - 1) * ROWS_A_PAGE)
    for row in listed:
        question, answer, open_it = st.columns([3, 2.4, 1], vertical_alignment="center")
        at = [f"step {row['step']:,}"] if timed else []
        if row["attempts"] > 1:  # else the attempts at one example look the same
            at.append(f"attempt {row['attempt']:,} of {row['attempts']:,}")
        where = f"  \n:small[{' · '.join(at)}]" if at else ""
        question.markdown(escape_markdown(row["failed_question"], 80) + where)
        said = escape_markdown(row["failed_answer"], 60) or "no answer"
        right = escape_markdown(row["failed_gold"], 40)
        answer.markdown(f"{said}  \n:small[right: {right}]")
        place = {"run": run.id, "phase": phase, "step": row["step"], "episode": row["id"]}
        with open_it:
            link_to_episode(place, event=row["cause_seq"])
