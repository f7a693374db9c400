"""Pieces that pages share: the pages themselves, the place in the address bar, run states, figures
in words."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from app.markup import safe_text as markup
from app.reads import episodes as queries
from memfactory_core import config
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs.tables import ACTIVE, Run

ROOT = Path(__file__).parents[2]
PAGES = {
    "overview": ("Overview", ":material/home:"),
    "compose": ("Compose", ":material/tune:"),
    "runs": ("Runs", ":material/show_chart:"),
    "groups": ("Groups", ":material/view_column:"),
    "episode": ("Episodes", ":material/account_tree:"),
    "memory": ("Memory", ":material/database:"),
    "chat": ("Chat", ":material/chat:"),
}
ADDRESSES = {"chat": "talk"}
"""Pages whose address is not their name: /chat/ itself is the Gradio chat inside."""
STATE_LOOKS = {
    "queued": (":material/schedule:", "gray"),
    "starting": (":material/hourglass_top:", "blue"),
    "running": (":material/play_circle:", "blue"),
    "stopping": (":material/hourglass_bottom:", "orange"),
    "finished": (":material/check_circle:", "green"),
    "stopped": (":material/stop_circle:", "orange"),
    "failed": (":material/error:", "red"),
    "lost": (":material/help:", "red"),
}
PHASE_LABELS = {
    "before/greedy": "Before, greedy",
    "before/sampled": "Before, sampled",
    "train": "Training",
    "after/greedy": "After, greedy",
    "after/sampled": "After, sampled",
}
SHARE_LABELS = {
    "exact_match": "Exact match",
    "kept": "Kept to the end",
    "stored": "Stored at some time",
    "read": "Read when kept",
    "found": "Found when answering",
    "operations": "Right operations",
    "f1": "F1",
    "judge": "Right for the judge",
    "rejected": "Writes rejected",
}
FIGURE_LABELS = {
    "memories": "Memories at the end",
    "excess": "Memories read beyond need",
    "length": "Tokens per turn",
}
ADVICE = {
    "failed": "The log has the details. Change the setting that is named in Compose and start "
    "again; nothing of this run is lost.",
    "lost": "The process of this run is gone. If memory ran out, choose fewer groups or "
    "more micro batches.",
}


def page(name: str) -> Any:
    """A page of the lab by its name, for navigation and links."""
    title, icon = PAGES[name]
    return st.Page(
        ROOT / "pages" / f"{name}.py", title=title, icon=icon, url_path=ADDRESSES.get(name, name),
        default=name == "overview",
    )  # fmt: skip


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Shows an error that the user can mend as one line; a traceback goes to the server's log."""
    try:
        yield
    except MemFactoryError as error:
        st.error(markup.escape_markdown(str(error), 800), icon=":material/error:")
    except DBAPIError as error:
        logging.getLogger(__name__).exception("the database cannot be read")
        st.error(
            f"The database cannot be read: {error.orig}. Was it made by another version? "
            "Then set MEMFACTORY_RUNS to a new folder.",
            icon=":material/error:",
        )


def bind_to_address(
    name: str, options: Sequence[Any], default: Any = None, drops: Sequence[str] = ()
) -> dict[str, Any]:
    """Arguments that bind a widget to a parameter of the address bar, which is the truth: a link
    opened cold, the back button and the widget all lead to the same place. A change drops the
    parameters that it `drops`. The address is only written when the user does something,
    once: each write is a step of the browser's history."""
    key = f"url.{name}"
    given = st.query_params.get(name)
    if isinstance(options, range):
        given = int(given) if given and given.isdecimal() else None
    fallback = default if default in options else options[0]
    st.session_state[key] = given if given in options else fallback

    def write() -> None:
        kept = {k: v for k, v in st.query_params.to_dict().items() if k not in drops}
        st.query_params.from_dict(kept | {name: str(st.session_state[key])})

    return {"key": key, "on_change": write}


def show_breadcrumbs(run: Run, phase: str, step: int, group: str | None = None) -> None:
    """The way back: the run, its step's groups, the episode's group."""
    place = {"run": run.id, "phase": phase, "step": str(step)}
    links = {markup.escape_markdown(run.name, 40): ("runs", {"run": run.id})}
    when = f"step {step:,}" if phase == "train" else PHASE_LABELS.get(phase, phase).lower()
    links[f"Groups · {when}"] = ("groups", place)
    if group:
        links["This group"] = ("groups", place | {"group": group})
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, (name, params) in links.items():
            icon = ":material/chevron_right:" if name != "runs" else ":material/arrow_back:"
            st.page_link(page(name), label=label, icon=icon, query_params=params)


def table_with_download(
    rows: Sequence[dict[str, Any]], name: str, title: str = "The figures as a table"
) -> None:
    """The table behind a chart, and its file."""
    with st.expander(title):
        st.dataframe(list(rows), hide_index=True, alt=title)
        file = io.StringIO()
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
        st.download_button(
            "Download as CSV", file.getvalue(), f"{name}.csv", "text/csv", key=f"csv.{name}",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip


WITHOUT_BUTTONS = {"displayModeBar": False}
"""Charts without Plotly's buttons, which are eight stops of the Tab key for each chart."""


def show_chart(figure: Any, key: str, alt: str) -> None:
    """A chart to look at, with its description for those who cannot."""
    st.plotly_chart(figure, key=key, alt=alt, config=WITHOUT_BUTTONS)


def clickable_chart(
    figure: Any, key: str, alt: str, on_click: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any] | None:
    """A chart whose points and bars can be clicked. The chosen point is given back; `on_click`
    gets it once, before the page runs again."""

    def clicked() -> None:
        points = st.session_state[key].selection.points
        if points and on_click:
            on_click(points[0])

    told = st.plotly_chart(
        figure, key=key, alt=alt, on_select=clicked, selection_mode="points", config=WITHOUT_BUTTONS
    )
    points = told.selection.points if told else []
    return points[0] if points else None


def choose_run(label: str = "Run", drops: Sequence[str] = ()) -> Run | None:
    """The run named in the address bar, or the newest; a box to choose another."""
    names = queries.label_runs()
    wanted = st.query_params.get("run")
    if wanted and wanted not in names:
        known = queries.find_run(wanted)
        if known:
            names[wanted] = f"{known.name} · {wanted}"
        else:
            st.warning(
                f"There is no run {markup.escape_markdown(wanted, 60)} here; this is the newest one."
            )
    if not names:
        return None
    bound = bind_to_address("run", list(names), drops=drops)
    chosen = st.selectbox(
        label, list(names), format_func=lambda name: markup.one_line(names[name], 120), **bound
    )
    return queries.find_run(chosen)


def choose_place(drops: Sequence[str] = ()) -> tuple[Run | None, str, int]:
    """Run, phase and step, from the address bar and to be changed; a phase of "" where the run has
    no episodes. A change drops the parameters that it `drops`."""
    which, how, when = st.columns([1.5, 1, 1.5], gap="medium")
    with which:
        run = choose_run(drops=("phase", "step", *drops))
    phases = queries.list_phases(run.id) if run else []
    if not phases:
        return run, "", 0
    cold = queries.find_place(run.id, st.query_params.get("episode", ""))
    start = cold[0] if cold else "train" if "train" in phases else phases[-1]
    bound = bind_to_address("phase", phases, start, drops=("step", *drops))
    phase = how.selectbox("Phase", phases, format_func=PHASE_LABELS.get, **bound)
    first, last = queries.find_step_range(run.id, phase)
    if first == last:
        return run, phase, first
    start = cold[1] if cold and cold[0] == phase else last
    bound = bind_to_address("step", range(first, last + 1), start, drops=drops)
    step = when.slider("Step", first, last, **bound)
    return run, phase, queries.find_nearest_step(run.id, phase, step)


def set_address(**place: Any) -> None:
    """Makes this the place of the address bar."""
    st.query_params.from_dict({k: str(v) for k, v in place.items() if v is not None})


def show_empty_state(what: str) -> None:
    """Stands where there is nothing to show, with the way to something."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(what, width="content")
        if st.button("Compose a run", type="primary", icon=":material/tune:"):
            st.switch_page(page("compose"))


def show_state(run: Run) -> None:
    """The run's state as word, icon and colour."""
    icon, colour = STATE_LOOKS.get(run.state, (":material/help:", "gray"))
    st.badge(run.state, icon=icon, color=colour)


def show_status(run: Run) -> None:
    """State, phase, progress and time left; the reason and what to do where it went wrong."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        show_state(run)
        st.markdown(describe_progress(run), width="content")
        st.caption(f"`{run.id}`", width="content")
    if run.state in ACTIVE and run.steps:
        st.progress(min(1.0, run.step / run.steps))
    if run.reason:
        st.error(markup.escape_markdown(run.reason, 800), icon=":material/error:")
    if run.state in ("failed", "lost", "stopped"):
        st.caption(f"{ADVICE.get(run.state, '')} {describe_resume(run)}")


def describe_resume(run: Run) -> str:
    """What goes on with a run that has ended early; nothing where it left no checkpoint."""
    if run.mode == "train" and any(Path(run.folder).glob("checkpoints/checkpoint-*")):
        return f"`memfactory resume {run.id}` goes on from the last checkpoint."
    return ""


def describe_progress(run: Run) -> str:
    """Step, phase, time used and left."""
    parts = []
    if run.steps:
        parts.append(f"step {run.step:,} of {run.steps:,}")
    if run.state in ACTIVE:
        parts.append(markup.escape_markdown(run.phase, 80) or "waiting for its process")
        if run.started:
            parts.append(f"{describe_duration(time.time() - run.started)} so far")
        if run.eta:
            parts.append(f"about {describe_duration(run.eta)} left")
        elif run.steps and not run.step:
            parts.append("time left is known after the first steps")
    elif run.ended:
        parts.append(f"took {describe_duration(run.ended - (run.started or run.created))}")
    return " · ".join(parts)


def describe_duration(seconds: float) -> str:
    """A time span in words."""
    seconds = max(0, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def describe_age(moment: float) -> str:
    """A moment of the past in words."""
    gone = time.time() - moment
    return "just now" if gone < 60 else f"{describe_duration(gone)} ago"


def describe_share(value: float | None) -> str:
    """A share as a whole percentage."""
    return "–" if value is None else f"{value:.0%}"


def greedy_score(run: Run, when: str, name: str) -> float | None:
    """The greedy mean of a score before or after."""
    return run.summary.get(when, {}).get(f"greedy/{name}", {}).get("mean")


def describe_change(run: Run, name: str) -> str:
    """A score before and after, as far as it is known."""
    before, after = greedy_score(run, "before", name), greedy_score(run, "after", name)
    if run.mode == "evaluate" or (before is None and after is not None):
        return describe_share(after)
    if before is None:
        return "–"
    return f"{describe_share(before)} → {describe_share(after) if after is not None else '…'}"


def recipe_text(run: Run) -> str:
    """A run's configuration as a recipe file; one that this version cannot read any more is said
    so."""
    try:
        return config.build(run.settings, f"run {run.id}").to_toml()
    except MemFactoryError as error:
        return f"# {error}"
