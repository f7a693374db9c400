"""A run's curves with the doubts about them, its results and its log."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import streamlit as st

from app.markup import markup
from app.reads import findings, queries
from app.run import charts
from app.shell.views import FIGURES, SHARES, chart, door, page, rows_of, toml
from memfactory_core.cli.report import by_category, judge_lines
from memfactory_core.explain.doubts import doubts
from memfactory_core.runs.tables import ENDED, Run

MODES = {"greedy": "Greedy decoding", "sampled": "Sampled at temperature 1, mean over attempts"}
MEMORY = {
    "score/kept": "kept to the end",
    "score/stored": "stored at some time",
    "score/exact_match": "exact match",
}
SMALL = {
    "score/found": ("Needed fact read when answering", True),
    "score/memories": ("Memories in the bank at the end", False),
    "score/length": ("Tokens per turn", False),
    "score/rejected": ("Share of writes rejected", True),
    "equal_groups": ("Groups that teach nothing", True),
    "entropy": ("Entropy of the policy", False),
    "kl": ("KL to the start", False),
    "score/f1": ("F1 of the answers", True),
    "score/operations": ("Right operations", True),
    "score/excess": ("Memories read beyond need", False),
}
RIGHT = {
    f"score/right_{action}": markup.ACTIONS[action][1]
    for action in ("add", "update", "delete", "noop")
}

POINTS = 600
"""Points of a curve, more than a chart is wide."""


def curves(run: Run) -> None:
    """What happened over the training steps. A click on a point opens that step's groups."""
    known = SMALL | _rewarded(run)
    found = queries.curves(run.id, ["reward", *MEMORY, *known, *RIGHT, "useful"], POINTS)
    if "useful" in found:
        st.markdown("**Useful memories**, share of those that the reranker chose")
        useful = charts.curves({"useful": found["useful"]}, percent=True, height=300)
        chart(useful, "useful", charts.alt("Share of useful memories", {"": found["useful"]}, True))
        _figures(found)
        return
    if not found:
        told = "The curves begin with the first training step."
        if run.state in ENDED:
            told = "This run ended before its first training step, so it has no curves."
        st.info(told, icon=":material/hourglass_top:")
        return
    honesty(run, found)
    _step(run)
    clicked = []
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Reward**, mean of a step's episodes")
        reward = charts.curves({"reward": found.get("reward", [])}, height=270)
        alt = charts.alt("Reward", {"": found.get("reward", [])})
        clicked.append(door(reward, "reward", alt))
    with right:
        st.markdown("**Memory and answers**, share of a step's episodes")
        series = {label: found[name] for name, label in MEMORY.items() if name in found}
        memory = charts.curves(series, percent=True, height=270)
        clicked.append(door(memory, "memory", charts.alt("Memory and answers", series, True)))
    small = {name: look for name, look in known.items() if name in found}
    places = [place for _ in range(0, len(small), 4) for place in st.columns(4)]
    for column, (name, (title, share)) in zip(places, small.items(), strict=False):
        with column:
            st.caption(title)
            figure = charts.curves({title: found[name]}, share, 170)
            clicked.append(door(figure, name, charts.alt(title, {"": found[name]}, share)))
    if right := {label: found[name] for name, label in RIGHT.items() if name in found}:
        st.markdown("**Right decisions**, share of the messages that called for each operation")
        figure = charts.curves(right, True, 230)
        clicked.append(door(figure, "right", charts.alt("Right decisions", right, True)))
    if mix := _operations(run):
        st.markdown("**Operations carried out**, share of a step's writes")
        figure = charts.curves(mix, True, 230)
        clicked.append(door(figure, "operations", charts.alt("Operations", mix, True)))
    _figures(found | {f"share of {name}": curve for name, curve in mix.items()})
    step = next((int(point["x"]) for point in clicked if point), None)
    if step is not None:
        place = {"run": run.id, "phase": "train", "step": str(step)}
        st.switch_page(page("groups"), query_params=place)


def _rewarded(run: Run) -> dict[str, tuple[str, bool]]:
    """The parts of the reward that no other curve shows."""
    names = (f"score/{name}" for name in run.settings.get("reward", {}))
    shown = {*MEMORY, *SMALL, *RIGHT}
    parts = {name: name.removeprefix("score/").replace("_", " ") for name in names}
    return {n: (word.capitalize(), True) for n, word in parts.items() if n not in shown}


def _step(run: Run) -> None:
    """The way into a step without a mouse: its number and a link."""
    if "train" not in queries.phases(run.id):
        return
    first, last = queries.step_range(run.id, "train")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        step = st.number_input("Step", first, last, last, key=f"step.{run.id}", width=130)
        place = {"run": run.id, "phase": "train", "step": str(step)}
        st.page_link(
            page("groups"), label="Open this step", icon=":material/view_column:",
            query_params=place, width="content",
        )  # fmt: skip
        st.caption("or click a point of a curve, to see the groups of attempts", width="content")


@lru_cache(maxsize=16)
def _counts(run_id: str, step: int) -> dict[int, dict[str, int]]:
    return findings.operations(run_id)


def _operations(run: Run) -> dict[str, list[tuple[int, float]]]:
    counts = _counts(run.id, run.step)
    actions = [a for a in markup.ACTIONS if any(a in here for here in counts.values())]
    if len(actions) < 2:
        return {}
    return {
        markup.ACTIONS[action][1]: [
            (step, here.get(action, 0) / sum(here.values())) for step, here in counts.items()
        ]
        for action in actions
    }


def _figures(found: dict[str, list[tuple[int, float]]]) -> None:
    rows: dict[int, dict[str, Any]] = {}
    for name, curve in found.items():
        for step, value in curve:
            row = rows.setdefault(step, {"step": step})
            row[name.removeprefix("score/").replace("_", " ")] = round(value, 4)
    rows_of([rows[step] for step in sorted(rows)], "curves")


def honesty(run: Run, found: dict[str, list[tuple[int, float]]]) -> None:
    """Doubts about the curves, in words."""
    series = {name: [value for _, value in curve] for name, curve in found.items()}
    told = doubts(series, run.settings.get("reward", {}))
    if not told:
        st.success(
            "Nothing speaks against these curves: answers rise with the reward, the groups teach, "
            "and the policy still tries things.", icon=":material/verified:",
        )  # fmt: skip
    for doubt in told:
        icon = ":material/warning:" if doubt.serious else ":material/info:"
        (st.warning if doubt.serious else st.info)(markup.plain(doubt.sentence, 400), icon=icon)


def results(run: Run) -> None:
    """Scores before and after training, as chart and table."""
    before, after = run.summary.get("before", {}), run.summary.get("after", {})
    if not before and not after:
        told = "The first evaluation is not finished yet."
        if run.state in ENDED:
            told = "This run ended before its first evaluation was finished."
        st.info(told, icon=":material/hourglass_top:")
        return
    if run.mode in ("retrieve", "rerank"):
        _retrievers(before, after)
        return
    for mode, title in MODES.items():
        shares = _measured(mode, SHARES, before | after)
        figures = _measured(mode, FIGURES, before | after)
        if not shares:
            continue
        st.markdown(f"**{title}**")
        left, table = st.columns([1.15, 1], gap="large")
        with left:
            figure = charts.before_after(before, after, shares)
            alt = f"{title}: means and intervals, the same as in the table beside it"
            chart(figure, f"results.{mode}", alt)
        columns = {"Score": [*shares.values(), *figures.values()]}
        for side, values in (("Before", before), ("After" if before else "Result", after)):
            if values:
                columns[side] = [interval(values.get(name), True) for name in shares]
                columns[side] += [interval(values.get(name)) for name in figures]
        table.table(columns)
    _categories(run, before, after)
    for line in judge_lines(run):
        st.caption(markup.plain(line, 600))
    st.caption(
        "Means over held-out examples with their 95% intervals (bootstrap). *Read when kept* "
        "counts only examples whose needed facts were kept."
    )


def _categories(run: Run, before: dict[str, Any], after: dict[str, Any]) -> None:
    told = by_category(run.summary)
    if not told:
        return
    st.markdown("**Answers by category of question**, one greedy attempt")
    columns = {"Score": [], "Category": []}
    for name, category in told:
        columns["Score"].append(SHARES.get(name, name))
        columns["Category"].append(markup.plain(category, 80))
    for side, values in (("Before", before), ("After" if before else "Result", after)):
        if values:
            columns[side] = [interval(values.get(f"greedy/{n}/{c}"), True) for n, c in told]
    st.table(columns)


def _retrievers(before: dict[str, Any], after: dict[str, Any]) -> None:
    for title, values in (("Before training", before), ("After training" if before else "", after)):
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for path, value in values.items():
            retriever, category, score = path.split("/")
            row = rows.setdefault((retriever, category), {})
            row |= {"Retriever": retriever, "Category": category, score: interval(value, True)}
        if rows:
            st.markdown(f"**{title}**")
            st.dataframe(list(rows.values()), hide_index=True, alt=title or "Retrievers compared")


def _measured(mode: str, names: dict[str, str], values: dict[str, Any]) -> dict[str, str]:
    return {f"{mode}/{n}": label for n, label in names.items() if f"{mode}/{n}" in values}


def interval(value: dict[str, float] | None, share: bool = False) -> str:
    """A mean with its interval in words."""
    if not value:
        return "–"
    mean, low, high = value["mean"], value["low"], value["high"]
    if share:
        return f"{mean:.0%} ({low * 100:.0f} to {high * 100:.0f})"
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


def log(run: Run) -> None:
    """The end of the log, scrolled to its last line."""
    told = queries.log_tail(run)
    if not told:
        st.info("There is no log: the run has not begun, or it was imported without one.")
        return
    with st.container(height=460, autoscroll=True):
        st.code(markup.visible(told), language=None, wrap_lines=True)


def settings(run: Run) -> None:
    """The run's configuration."""
    st.code(markup.visible(toml(run)), language="toml", height=460, wrap_lines=True)
