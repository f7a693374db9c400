"""The larger pieces of pages: a run's curves, results and log; one episode from its first section
to its reward."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import charts, markup, queries, story
from app.views import FIGURES, SHARES, percent
from memfactory_core.db import Run
from memfactory_core.trace import Episode

MODES = {"greedy": "Greedy decoding", "sampled": "Sampled at temperature 1, mean over attempts"}
MEMORY = {
    "score/kept": "kept to the end",
    "score/stored": "stored at some time",
    "score/exact_match": "exact match",
}
SMALL = {
    "score/length": ("Tokens per turn", False),
    "score/rejected": ("Share of writes rejected", True),
    "entropy": ("Entropy of the policy", False),
    "equal_groups": ("Groups without a difference in reward", True),
}
SHORT = {"exact_match": "Exact match", "stored": "Stored", "kept": "Kept", "rejected": "Rejected"}
SECTIONS = 30
"""Sections of an episode on one page."""


def curves(run: Run) -> None:
    """What happened over the training steps."""
    found = queries.curves(run.id, ["reward", *MEMORY, *SMALL, "useful"])
    if "useful" in found:
        st.markdown("**Useful memories**, share of those that the reranker chose")
        useful = charts.curves({"useful": found["useful"]}, percent=True, height=300)
        st.plotly_chart(useful, key="useful", alt="Share of useful memories over steps")
        return
    if not found:
        st.info("The curves begin with the first training step.", icon=":material/hourglass_top:")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Reward**, mean of a step's episodes")
        reward = charts.curves({"reward": found.get("reward", [])}, height=270)
        st.plotly_chart(reward, key="reward", alt="Reward over steps")
    with right:
        st.markdown("**Memory and answers**, share of a step's episodes")
        series = {label: found[name] for name, label in MEMORY.items() if name in found}
        memory = charts.curves(series, percent=True, height=270)
        st.plotly_chart(memory, key="memory", alt=f"{', '.join(series)} over steps")
    for column, (name, (title, share)) in zip(st.columns(4), SMALL.items(), strict=True):
        if name in found:
            column.caption(title)
            small = charts.curves({title: found[name]}, share, 170)
            column.plotly_chart(small, key=name, alt=f"{title} over steps")


def results(run: Run) -> None:
    """Scores before and after training, as chart and table."""
    before, after = run.summary.get("before", {}), run.summary.get("after", {})
    if not before and not after:
        st.info("The first evaluation is not finished yet.", icon=":material/hourglass_top:")
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
        chart, table = st.columns([1.15, 1], gap="large")
        figure = charts.before_after(before, after, shares)
        chart.plotly_chart(figure, key=f"results.{mode}", alt=f"{title}: means and intervals")
        columns = {"Score": [*shares.values(), *figures.values()]}
        for side, values in (("Before", before), ("After" if before else "Result", after)):
            if values:
                columns[side] = [interval(values.get(name), True) for name in shares]
                columns[side] += [interval(values.get(name)) for name in figures]
        table.table(columns)
    st.caption(
        "Means over held-out examples with their 95% intervals (bootstrap). *Read when kept* "
        "counts only examples whose needed facts were kept."
    )


def _retrievers(before: dict[str, Any], after: dict[str, Any]) -> None:
    for title, values in (("Before training", before), ("After training" if before else "", after)):
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for path, value in values.items():
            retriever, category, score = path.split("/")
            row = rows.setdefault((retriever, category), {})
            row |= {"Retriever": retriever, "Category": category, score: interval(value, True)}
        if rows:
            st.markdown(f"**{title}**")
            st.dataframe(list(rows.values()), hide_index=True)


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
    with st.container(height=460, autoscroll=True):
        st.code(queries.log_tail(run) or "The log is empty.", language=None, wrap_lines=True)


def episode(run: Run, shown: Episode) -> None:
    """One episode: its story, its sections, its answers, its messages."""
    st.html(f'<div class="mf mf-story">{markup.safe(story.tell(shown))}</div>')
    scores = {label: percent(shown.scores[n]) for n, label in SHORT.items() if n in shown.scores}
    figures = {"Reward": f"{shown.reward:+.2f}", "Advantage": f"{shown.advantage:+.2f}"}
    st.html(markup.facts(figures | scores))
    st.caption(reward_in_words(run.settings.get("reward", {}), shown))
    told = story.sections(shown.example, shown.events)
    start = 0
    if len(told) > SECTIONS:
        number = st.pagination(-(-len(told) // SECTIONS), key=f"sections.{shown.id}")
        start = (number - 1) * SECTIONS
    budget = run.settings.get("paradigm", {}).get("store", {}).get("budget")
    st.html(markup.timeline(shown.example, told[start : start + SECTIONS], budget))
    st.html(markup.episode_answers(shown))
    with st.expander("Raw messages of each turn"):
        _messages(shown)


def reward_in_words(weights: dict[str, float], shown: Episode) -> str:
    """The reward as the sum that it is."""
    parts = [
        f"{abs(weight):g} × {name.replace('_', ' ')} {shown.scores.get(name, 0.0):.2g}"
        for name, weight in weights.items()
    ]
    signs = ["" if i == 0 else "+ " for i in range(len(parts))]
    signs = ["− " if w < 0 else s for w, s in zip(weights.values(), signs, strict=True)]
    return f"Reward = {' '.join(s + part for s, part in zip(signs, parts, strict=True))}"


def _messages(shown: Episode) -> None:
    for i, turn in enumerate(shown.turns[:SECTIONS]):
        ended = "by itself" if turn.completion.finish_reason == "stop" else "at the length limit"
        st.markdown(f"**Turn {i + 1}** · {turn.role} · ended {ended}")
        for message in turn.messages:
            st.caption(message["role"])
            st.code(message["content"][: markup.SHOWN], language=None, wrap_lines=True)
        st.caption("written by the policy")
        st.code(turn.completion.text[: markup.SHOWN] or " ", language=None, wrap_lines=True)
    whole, name = shown.model_dump_json(indent=1), f"episode-{shown.id}.json"
    st.download_button("Download the whole episode as JSON", whole, name, "application/json")
