"""A run's curves over its training steps, each a way into a step's groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from app.markup.labels import ACTIONS
from app.markup.safe_text import escape_markdown
from app.reads.curves import read_curves
from app.reads.operations import count_operations
from app.reads.steps import find_step_range, list_phases
from app.run import charts
from app.run.doubts import show_doubts
from app.run.imitation import show_imitation
from app.shell.pages import page
from app.shell.widgets import clickable_chart, show_chart, table_with_download
from memfactory_core.explain.stages import starts, tell_stretches
from memfactory_core.rewards.operations import RightOperation
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.tables import ENDED, Run

TRAINING_CURVES = {
    "equal_groups": ("Groups that teach nothing", True),
    "entropy": ("Entropy of the policy", False),
    "kl": ("KL to the start", False),
}
FLAT = 1e-6
"""A curve whose values differ by less is no curve."""
CHART_POINTS = 600
"""Points of a curve, more than a chart is wide."""


def show_curves(run: Run) -> None:
    """What happened over the training steps. A click on a point opens that step's groups."""
    headlines, right_operations, small = _score_curves(run)
    small |= TRAINING_CURVES
    names = ["reward", *headlines, *small, *right_operations, "useful"]
    found = read_curves(run.id, names, CHART_POINTS)
    if "useful" in found:
        st.markdown("**Useful memories**, share of those that the reranker chose")
        useful = charts.curve_figure({"useful": found["useful"]}, percent=True, height=300)
        show_chart(
            useful,
            "useful",
            charts.curves_in_words("Share of useful memories", {"": found["useful"]}, True),
        )
        _curves_table(found)
        return
    show_imitation(run)
    if run.mode == "imitate":
        return
    if not found:
        reason = "The curves begin with the first training step."
        if run.state in ENDED:
            reason = "This run ended before its first training step, so it has no curves."
        st.info(reason, icon=":material/hourglass_top:")
        return
    training = run.settings.get("training", {})
    changes = starts(training)
    if told := tell_stretches(training):
        st.info(escape_markdown(told, 800), icon=":material/stairs:")
    show_doubts(run, found)
    _link_to_step(run)
    clicked = []
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Reward**, mean of a step's episodes")
        reward = charts.curve_figure(
            {"reward": found.get("reward", [])}, height=270, changes=changes
        )
        alt = charts.curves_in_words("Reward", {"": found.get("reward", [])})
        clicked.append(clickable_chart(reward, "reward", alt))
    with right:
        st.markdown("**Memory and answers**, share of a step's episodes")
        series = {label: found[name] for name, label in headlines.items() if name in found}
        memory = charts.curve_figure(series, percent=True, height=270, changes=changes)
        memory.update_layout(showlegend=True)  # a single curve too: the title names two things
        clicked.append(
            clickable_chart(
                memory, "memory", charts.curves_in_words("Memory and answers", series, True)
            )
        )
    small = {name: look for name, look in small.items() if name in found}
    flat = {name: look for name, look in small.items() if is_flat(found[name])}
    small = {name: look for name, look in small.items() if name not in flat}
    places = [place for _ in range(0, len(small), 4) for place in st.columns(4)]
    for column, (name, (title, share)) in zip(places, small.items(), strict=False):
        with column:
            st.caption(escape_markdown(title))
            figure = charts.curve_figure({title: found[name]}, share, 170, changes)
            clicked.append(
                clickable_chart(
                    figure, name, charts.curves_in_words(title, {"": found[name]}, share)
                )
            )
    _fold_away(flat, found)
    if decided := {label: found[name] for name, label in right_operations.items() if name in found}:
        st.markdown("**Right decisions**, share of the messages that called for each operation")
        figure = charts.curve_figure(decided, True, 230, changes)
        clicked.append(
            clickable_chart(
                figure, "right", charts.curves_in_words("Right decisions", decided, True)
            )
        )
    if mix := _operation_shares(run):
        st.markdown("**Operations carried out**, share of a step's writes")
        figure = charts.curve_figure(mix, True, 230, changes)
        clicked.append(
            clickable_chart(figure, "operations", charts.curves_in_words("Operations", mix, True))
        )
    _curves_table(found | {f"share of {name}": curve for name, curve in mix.items()})
    step = next((int(point["x"]) for point in clicked if point), None)
    if step is not None:
        place = {"run": run.id, "phase": "train", "step": str(step)}
        st.switch_page(page("groups"), query_params=place)


def is_flat(curve: Sequence[tuple[int, float]]) -> bool:
    """Whether a curve of several points says the same at each."""
    values = [value for _, value in curve]
    return len(values) > 1 and max(values) - min(values) < FLAT


def _fold_away(
    flat: Mapping[str, tuple[str, bool]], found: Mapping[str, Sequence[tuple[int, float]]]
) -> None:
    """The measures that stayed as they were: a line each instead of a chart."""
    if not flat:
        return
    measures = "1 measure" if len(flat) == 1 else f"{len(flat)} measures"
    with st.expander(f"{measures} that did not change", icon=":material/horizontal_rule:"):
        for name, (title, share) in flat.items():
            value = found[name][-1][1]
            told = f"{value:.0%}" if share else f"{value:.3g}"
            st.markdown(f"{escape_markdown(title)}: {told}")


def _score_curves(run: Run) -> tuple[dict[str, str], dict[str, str], dict[str, tuple[str, bool]]]:
    """The curves of all measures, by name: those that share the large chart and those of single operations
    with their labels, the others with their title and whether they are shares."""
    table = run.settings.get("reward", {})
    shown = Shown(table)
    headlines, right, small = {}, {}, {}
    for name in shown.in_order([*shown.parts, *table]):
        part = shown.part(name)
        if part and part.headline and part.is_share():
            headlines[f"score/{name}"] = shown.title(name).lower()
        elif part and issubclass(part, RightOperation):
            right[f"score/{name}"] = ACTIONS[part.action][1]
        else:
            small[f"score/{name}"] = (shown.title(name), shown.is_share(name))
    return headlines, right, small


def _link_to_step(run: Run) -> None:
    """The way into a step without a mouse: its number and a link."""
    if "train" not in list_phases(run.id):
        return
    first, last = find_step_range(run.id, "train")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        step = st.number_input("Step", first, last, last, key=f"step.{run.id}", width=130)
        place = {"run": run.id, "phase": "train", "step": str(step)}
        st.page_link(
            page("groups"), label="Open this step", icon=":material/view_column:",
            query_params=place, width="content",
        )  # fmt: skip
        st.caption("or click a point of a curve, to see the groups of attempts", width="content")


@lru_cache(maxsize=16)
def _operation_counts(run_id: str, step: int) -> dict[int, dict[str, int]]:
    return count_operations(run_id)


def _operation_shares(run: Run) -> dict[str, list[tuple[int, float]]]:
    counts = _operation_counts(run.id, run.step)
    actions = [a for a in ACTIONS if any(a in here for here in counts.values())]
    if len(actions) < 2:
        return {}
    return {
        ACTIONS[action][1]: [
            (step, here.get(action, 0) / sum(here.values())) for step, here in counts.items()
        ]
        for action in actions
    }


def _curves_table(found: dict[str, list[tuple[int, float]]]) -> None:
    rows: dict[int, dict[str, Any]] = {}
    for name, curve in found.items():
        for step, value in curve:
            row = rows.setdefault(step, {"step": step})
            row[name.removeprefix("score/").replace("_", " ")] = round(value, 4)
    table_with_download([rows[step] for step in sorted(rows)], "curves")
