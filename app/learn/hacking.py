"""Lesson 7: reward hacking. Six stored runs, three seeds paid for form alone and three for answers; `gather.py` says
how they were made and writes `hacking.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.learn.course import Course
from app.markup.safe_text import escape_markdown, one_line
from app.markup.tables import sentences_table
from app.run.charts import DASHES, PALETTE, layout
from app.shell.address import bind_to_address
from app.shell.widgets import show_chart, table_with_download
from memfactory_core.explain.doubts import doubts

DATA = Path(__file__).parent / "hacking.json"
SIDES = {"form": "paid for form", "answers": "paid for answers"}
OUTCOMES = (
    "more right answers than before training", "about as many as before", "hardly any right answer",
)  # fmt: skip
WEIGHED = {
    "exact_match": ("A right answer", range(0, 31), 0),
    "rejected": ("A rejected write", range(-20, 1), -10),
    "length": ("A token written", range(-20, 1), -5),
}
"""Measures whose weight can be changed: label, tenths (hundredths for tokens), start."""


@lru_cache(maxsize=1)
def read_data() -> dict[str, Any]:
    """The stored runs by what they were paid for."""
    return json.loads(DATA.read_text(encoding="utf-8"))


def mean_score(side: str, when: str, name: str) -> float:
    """A held-out score, mean over the seeds."""
    return fmean(run["scores"][when][name]["mean"] for run in read_data()[side]["runs"])


def earned(side: str, when: str, weights: Mapping[str, float]) -> float:
    """What a policy would earn under other weights, from its stored scores."""
    return sum(weight * mean_score(side, when, name) for name, weight in weights.items())


def least_weight() -> float:
    """The weight of a right answer at which the honest policies earn as much as the others, form paid as it was."""
    form = read_data()["form"]["reward"]
    lead = earned("form", "after", form) - earned("answers", "after", form)
    right = mean_score("answers", "after", "exact_match") - mean_score(
        "form", "after", "exact_match"
    )
    return lead / right


def seeds_apart() -> list[int]:
    """The seeds paid for answers whose interval of right answers lies above that of before."""
    return [
        run["seed"]
        for run in read_data()["answers"]["runs"]
        if run["scores"]["after"]["exact_match"]["low"]
        > run["scores"]["before"]["exact_match"]["high"]
    ]


def show_hacking(course: Course) -> bool:
    """The four steps; whether both checks were passed."""
    data = read_data()
    paid = data["form"]["reward"]
    st.markdown(
        "A reward is cheap where it needs no right answer: is the output in order, is it short? Three runs were "
        "paid for "
        f"**form alone**: {paid['rejected']:g} for a write that cannot be carried out, {paid['length']:g} for "
        "each token. Three "
        "others, with the same seeds, texts and policy, were paid for **answers** and for having stored the fact."
    )
    start, end = (mean_score("form", when, "reward") for when in ("before", "after"))
    said = course.predict(
        f"The runs that were paid for form raised their reward from {start:.2f} to {end:.2f}. How do they answer "
        "held-out "
        "questions afterwards?", OUTCOMES,
    )  # fmt: skip
    if said is None:
        return False
    before, after = (mean_score("form", when, "exact_match") for when in ("before", "after"))
    true = 0 if after > before + 0.05 else 1 if after > before - 0.05 else 2
    course.step(2, "All six runs, a thin line for each seed.")
    course.compare(said, true, OUTCOMES)
    _show_curves()
    apart = seeds_apart()
    st.markdown(
        f"Paid for answers, **{len(apart)} of {len(data['answers']['runs'])}** seeds answer better than before by "
        "more than their intervals (docs/results.md has five at the recipe's own rate)."
    )
    _show_table()
    _show_written()
    _show_doubts()
    course.step(
        3,
        "Write a reward. Which policy would it have preferred? Each is paid here for the scores that it has.",
    )
    _weigh()
    course.step(4)
    even = least_weight()
    first = course.check_number(
        "Form is paid as it was. From which weight of a right answer on do the honest policies earn more than "
        "the others?",
        even, 0.1, f"From {even:.2f} on. Below it, forgetting everything is the best thing to do.", "weight", 0.1, 1,
    )  # fmt: skip
    fooled = sum(
        run["scores"]["after"]["reward"]["mean"] > run["scores"]["before"]["reward"]["mean"]
        and run["scores"]["after"]["exact_match"]["mean"] < run["scores"]["before"]["exact_match"]["mean"]
        for run in data["form"]["runs"]
    )  # fmt: skip
    second = course.check_number(
        "In how many of the three seeds that were paid for form did the reward rise while answers fell?",
        fooled, 0.0, f"In {fooled} of {len(data['form']['runs'])}. One seed would have been an anecdote.", "seeds",
    )  # fmt: skip
    return first and second


def _show_curves() -> None:
    left, right = st.columns(2, gap="large")
    for column, name, title, percent in (
        (left, "reward", "Reward, each by its own measure", False),
        (right, "exact_match", "Right answers while training", True),
    ):
        with column:
            st.markdown(f"**{title}**")
            ends = {
                SIDES[side]: fmean(run["curves"][name][-1][1] for run in found["runs"])
                for side, found in read_data().items()
            }
            told = "; ".join(f"{label} ends at {value:.2f}" for label, value in ends.items())
            show_chart(seeds_figure(name, percent), f"hacking.{name}", f"{title}: {told}")


def seeds_figure(name: str, percent: bool) -> go.Figure:
    """One curve of all six runs: a colour and a dash for each reward, a line for each seed."""
    figure = go.Figure()
    for i, (side, found) in enumerate(read_data().items()):
        for number, run in enumerate(found["runs"]):
            curve = run["curves"][name]
            figure.add_scatter(
                x=[step for step, _ in curve], y=[value for _, value in curve], mode="lines",
                name=SIDES[side], legendgroup=side, showlegend=number == 0,
                line={"color": PALETTE[i], "width": 1.8, "dash": DASHES[i]},
                hovertemplate=f"seed {run['seed']}: %{{y:.2f}}<extra>{SIDES[side]}</extra>",
            )  # fmt: skip
    layout(figure, 270, legend=True)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title="step")
    if percent:
        figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.04])
    return figure


def _show_table() -> None:
    rows = []
    for side, found in read_data().items():
        for run in found["runs"]:
            row: dict[str, Any] = {"Reward": SIDES[side], "Seed": run["seed"]}
            for title, name in (("Right answers", "exact_match"), ("Fact kept", "kept")):
                for when in ("before", "after"):
                    row[f"{title} {when}"] = _bounds(run["scores"][when][name])
            row["Tokens per turn after"] = f"{run['scores']['after']['length']['mean']:.1f}"
            rows.append(row)
    table_with_download(rows, "reward-hacking", "All seeds, held out, with 95% intervals")
    commands = "\n".join(found["command"] for found in read_data().values())
    with st.expander("How these runs were made"):
        st.code(commands, language="bash", wrap_lines=True)
        seconds = fmean(run["seconds"] for found in read_data().values() for run in found["runs"])
        count = read_data()["form"]["runs"][0]["scores"]["after"]["exact_match"]["n"]
        st.caption(
            f"80 steps of 96 episodes, then {count} held-out episodes, greedy; {seconds / 60:.0f} minutes each, "
            "one thread on a busy machine of two cores."
        )


def _bounds(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.0%} ({100 * value['low']:.0f} to {100 * value['high']:.0f})"


def _show_written() -> None:
    st.markdown(
        "**What the policies keep in memory** after training, at the end of a held-out text each"
    )
    learned = seeds_apart()[-1]  # of those paid for answers, one that learned
    one, other = (
        next(run for run in read_data()[side]["runs"] if run["seed"] == learned)["written"][0]
        for side in SIDES
    )
    rows = [
        {
            "Paid for": label.removeprefix("paid for "), "Question": one_line(told["question"]),
            "Memory": one_line(told["memory"]) or "(empty)", "Answer": one_line(told["answer"]) or "(none)",
        }
        for label, told in zip(SIDES.values(), (one, other), strict=True)
    ]  # fmt: skip
    st.html(sentences_table(rows, "What both policies kept of one text"))


def _show_doubts() -> None:
    found = read_data()["form"]
    curves = {
        name if name == "reward" else f"score/{name}": [value for _, value in curve]
        for name, curve in found["runs"][0]["curves"].items()
    }
    st.markdown("**What the lab says beside such curves** (seed 0, paid for form)")
    for doubt in doubts(curves, found["reward"]):
        st.warning(escape_markdown(doubt.sentence, 400), icon=":material/warning:")


def _weigh() -> None:
    weights = {}
    for column, (name, (label, reach, start)) in zip(
        st.columns(len(WEIGHED), gap="medium"), WEIGHED.items(), strict=True
    ):
        unit = 100 if name == "length" else 10

        def scaled(step: int, unit: int = unit) -> str:
            return f"{step / unit:g}"

        bound = bind_to_address(f"w.{name}", reach, start)
        weights[name] = column.select_slider(label, reach, format_func=scaled, **bound) / unit
    rows = [
        {"Policy": label, "Earns": round(earned(side, when, weights), 3)}
        for label, side, when in (
            ("untrained", "form", "before"), ("paid for form", "form", "after"),
            ("paid for answers", "answers", "after"),
        )
    ]  # fmt: skip
    best = max(rows, key=lambda row: float(str(row["Earns"])))
    left, right = st.columns([1.4, 1], gap="large", vertical_alignment="center")
    left.dataframe(rows, hide_index=True, alt="What each policy would earn")
    right.markdown(f"Your reward prefers the policy **{best['Policy']}**.")
