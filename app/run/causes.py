"""Why answers were wrong, over a whole run: causes over steps with the list behind each bar; how
long needed facts survive; memories written for nothing, or lost too early."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.markup.labels import cause_line
from app.markup.safe_text import escape_markdown
from app.reads.causes import count_causes, count_failures, list_failures
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
from app.shell.pages import page
from app.shell.widgets import clickable_chart, show_chart, table_with_download
from app.shell.words import PHASE_LABELS
from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.needs import survival
from memfactory_core.runs.tables import Run

ROWS_A_PAGE = 8
ALL_STEPS = "all"
LIST_LABELS = {"lost": "Deleted or overwritten, needed later", "unread": "Written, never read"}


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
    places = [_describe_steps(bar) for bar in bars]
    left, words = st.columns([1.7, 1], gap="large")
    with left:
        st.markdown(f"**Wrong answers by cause**, share of the {count:,} episodes kept")
        shares = {c: [bar["causes"].get(c, 0) / bar["all"] for bar in bars] for c in names}
        figure = charts.bar_figure(places, shares, looks)

        def list_it(point: dict[str, Any]) -> None:
            name, number = point["customdata"][:2]
            st.query_params.update({"cause": name, "steps": places[int(number)]})

        alt = f"Causes of wrong answers over steps: {_describe_totals(totals, count)}"
        clickable_chart(figure, f"causes.{phase}", alt, list_it)
        st.caption("Click a part of a bar, or choose below, to list its episodes.")
    with words:
        st.markdown("**What the causes mean**")
        lines = "".join(cause_line(cause, totals[cause]) for cause in names)
        st.html(lines)
    rows = [
        {"steps": place, "episodes": bar["all"], **{c: bar["causes"].get(c, 0) for c in names}}
        for place, bar in zip(places, bars, strict=True)
    ]
    table_with_download(rows, f"causes-{phase.replace('/', '-')}")
    _show_failures(run, phase, names, places, bars)


def _describe_totals(totals: dict[str, int], count: int) -> str:
    told = (f"{name.replace('_', ' ')} {number:,}" for name, number in totals.items())
    return f"{', '.join(told)} of {count:,} episodes"


def _describe_steps(bar: dict[str, Any]) -> str:
    first, last = bar["first"], bar["last"]
    return str(first) if first == last else f"{first}–{last}"


def _choose_phase(run: Run) -> str | None:
    phases = list_phases(run.id)
    if not phases:
        st.info("There are no episodes yet: they appear while the run evaluates and trains.")
        return None
    start = "train" if "train" in phases else phases[-1]
    bound = bind_to_address("phase", phases, start, drops=("cause", "steps"))
    return st.segmented_control(
        "Phase", phases, format_func=PHASE_LABELS.get, required=True, **bound
    )


def _show_failures(
    run: Run, phase: str, names: list[str], places: list[str], bars: list[dict[str, Any]]
) -> None:
    which, when = st.columns(2, gap="medium")
    cause = which.selectbox(
        "Cause", names, format_func=lambda c: c.replace("_", " "), **bind_to_address("cause", names)
    )
    options = [ALL_STEPS, *places]
    chosen = when.selectbox("Steps", options, **bind_to_address("steps", options, ALL_STEPS))
    bar = None if chosen == ALL_STEPS else bars[places.index(chosen)]
    steps = (bar["first"], bar["last"]) if bar else (bars[0]["first"], bars[-1]["last"])
    total = count_failures(run.id, phase, cause, steps)
    st.caption(f"{total:,} episodes: {CAUSES.get(cause, cause)}")
    number = choose_page(total, f"failures.{phase}.{cause}.{chosen}")
    listed = list_failures(run.id, phase, cause, steps, ROWS_A_PAGE, (number - 1) * ROWS_A_PAGE)
    for row in listed:
        question, answer, open_it = st.columns([3, 2.4, 1], vertical_alignment="center")
        question.markdown(f"{escape_markdown(row['question'], 80)}  \n:small[step {row['step']:,}]")
        said = escape_markdown(row["answer"], 60) or "no answer"
        right = escape_markdown(row["gold"], 40)
        answer.markdown(f"{said}  \n:small[right: {right}]")
        with open_it:
            open_episode(run, phase, row["step"], row["id"], row["cause_seq"])


def open_episode(run: Run, phase: str, step: int, episode: str, seq: int | None) -> None:
    """A link to an episode, at one of its events where one is given."""
    place = {"run": run.id, "phase": phase, "step": str(step), "episode": episode}
    event = {} if seq is None else {"event": str(seq), "view": "steps"}
    st.page_link(
        page("episode"), label="Open", icon=":material/arrow_forward:", query_params=place | event
    )


def choose_page(total: int, key: str) -> int:
    """The number of the page of a list that is shown, from 1; to be changed where there are several."""
    return 1 if total <= ROWS_A_PAGE else st.pagination(-(-total // ROWS_A_PAGE), key=key)


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
    for when, label in (("before", "before training"), ("after", "after training")):
        if f"{when}/{mode}" in phases:
            curve = survival(list_needs(run.id, f"{when}/{mode}"))
            if curve:
                series[label if len(phases) > 2 else "result"] = curve
    if not series and "train" in phases:
        curve = survival(list_needs(run.id, "train"))
        series = {"while training": curve} if curve else {}
    if not series:
        st.info("This task does not say in which section its needed facts stand.")
        return
    told = {label: [(age, share) for age, share, _ in curve] for label, curve in series.items()}
    alt = charts.curves_in_words(
        "Share of needed facts still in memory", told, True, "sections read since"
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
    start = "train" if "train" in phases else phases[-1]
    phase = st.selectbox(
        "Phase", phases, format_func=PHASE_LABELS.get, **bind_to_address("phase", phases, start)
    )
    which = st.segmented_control(
        "List", list(LIST_LABELS), format_func=LIST_LABELS.get, required=True, label_visibility="collapsed",
        **bind_to_address("list", list(LIST_LABELS), "lost"),
    )  # fmt: skip
    if which == "lost":
        total = count_needs(run.id, phase, were_lost=True)
        st.caption(f"{total:,} of {count_needs(run.id, phase):,} needed facts")
    else:
        total = count_memories(run.id, phase, unread=True)
        st.caption(f"{total:,} of {count_memories(run.id, phase):,} memories written")
    if not total:
        st.info("There is none in this phase.", icon=":material/check:")
        return
    number = choose_page(total, f"{which}.{phase}")
    listing = list_lost_facts if which == "lost" else list_unread_memories
    for row in listing(run.id, phase, ROWS_A_PAGE, (number - 1) * ROWS_A_PAGE):
        text, open_it = st.columns([4, 1], vertical_alignment="center")
        if which == "lost":
            cause, seq = row["cause"].replace("_", " "), row["cause_seq"]
            note = f"told in section {row['told'] + 1} · {cause}"
        else:
            updates, seq = row["updates"], row["written"]
            note = f"memory {escape_markdown(row['memory_id'], 20)}"
            note += f" · updated {updates:,} {'time' if updates == 1 else 'times'}"
        text.markdown(
            f"{escape_markdown(row['text'], 110)}  \n:small[step {row['step']:,} · {note}]"
        )
        with open_it:
            open_episode(run, phase, row["step"], row["episode_id"], seq)
