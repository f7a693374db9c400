"""Lesson 6: a reranker learns while you watch (RMM's linear one, arXiv 2503.08026). Small conversations in which the
words of a question lead to whoever asked it, and the answer stands in the line behind."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import streamlit as st

from app.learn.course import Course
from app.markup.safe_text import show_text
from app.run.charts import curve_figure, curves_in_words
from app.shell.address import bind_to_address
from app.shell.widgets import show_chart
from memfactory_core.config import Reranking
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.retrievers.everything import Everything
from memfactory_core.retrievers.facts import FEATURES
from memfactory_core.retrievers.rerank_linear import RerankLinear, Weights
from memfactory_core.tasks.language import ATTRIBUTES, Speaker
from memfactory_core.training.reranker import prepare, train_reranker
from memfactory_core.types import Evidence, Example

LEARNED, HELD_OUT = 60, 60
STEPS = 300
TEMPERATURE = 2.0
"""High enough that lines which share few words are tried at all; at 0.5 only the first would ever be drawn."""
RATES = (0.01, 0.05, 0.2, 0.5)
SHARES = ("nearly none", "about a third", "nearly all")
MIDDLES = (0.0, 0.33, 1.0)
MEANINGS = {
    "words": "shares the question's words",
    "before": "the line before it shares the question's words",
    "after": "the line after it shares the question's words",
    "near": "its vector is near the question's",
    "length": "is long",
    "asks": "is a question itself",
    "speaker": "is said by somebody the question names",
    "covered": "covers the question's words",
}


def show_reranker(course: Course) -> bool:
    """The four steps; whether the check was passed."""
    example = conversations(1, 7)[0]
    st.markdown(
        "A memory holds a conversation, line by line. A question comes, and **one** line may be read. The "
        "reranker gives "
        "each line a score: so much for shared words, so much for who speaks, and so on. Before training it goes "
        "by words alone."
    )
    lines = "".join(
        f"<li>{show_text(line)}{' <b>← the needed one</b>' if at == example.evidence[0].observation else ''}</li>"
        for at, line in enumerate(example.observations)
    )
    st.html(
        f'<div class="mf mf-card"><b>{show_text(example.question)}</b><ul class="mf-list">{lines}</ul></div>'
    )
    said = course.predict(
        f"Untrained, going by words: in how many of {HELD_OUT} such questions does the needed line come first?",
        SHARES,
    )
    if said is None:
        return False
    before = share_found(untrained(), HELD_OUT, 1)
    course.step(
        2,
        f"Counted now: {before:.0%}. The words of a question stand where it was *asked*, the answer in the next line.",
    )
    course.compare(said, min(range(3), key=lambda i: abs(MIDDLES[i] - before)), SHARES)
    course.step(
        3,
        "Let it learn. A draw of one line earns +1 where it was the needed one, −1 where not; what earned is "
        "done more often.",
    )
    rate, steps, seed = _choose()
    key = f"reranker.{rate}.{steps}.{seed}"
    if st.button("Train it now", type="primary", icon=":material/play_arrow:"):
        place = st.empty()

        def draw(curve: list[tuple[int, float]]) -> None:
            with place:
                figure = curve_figure({"useful": curve}, percent=True, height=240)
                show_chart(
                    figure,
                    f"reranker.{len(curve)}",
                    curves_in_words("Useful draws", {"": curve}, True),
                )

        st.session_state[key] = train(rate, steps, seed, draw)
        place.empty()
    found = st.session_state.get(key)
    if found is None:
        st.caption(f"{LEARNED} questions to learn from, {steps} updates: a few seconds.")
    else:
        _show_learned(found[0], found[1], before)
    course.step(4)
    weights, _ = learned_by_default()
    strongest = FEATURES[int(np.argmax(np.abs(weights.features - untrained().features)))]
    options = [MEANINGS[name] for name in FEATURES]
    one = course.check_choice(
        "With the settings as they were given (rate 0.2, 300 updates, seed 0): the weight of which fact about a line "
        "changed most?", options, FEATURES.index(strongest),
        f"It moved by {(weights.features - untrained().features)[FEATURES.index(strongest)]:+.1f}. Nobody told it so; "
        "it follows from what earned.",
    )  # fmt: skip
    after = share_found(weights, HELD_OUT, 1)
    two = course.check_number(
        f"And in what percentage of the {HELD_OUT} held-out questions does the needed line come first then?",
        100 * after, 5, f"{after:.0%}, against {before:.0%} before.", "after",
    )  # fmt: skip
    return one and two


def conversations(count: int, seed: int) -> list[Example]:
    """Small conversations: somebody asks, somebody answers in the next line, and a question about one answer."""
    return [_conversation(seed, number) for number in range(count)]


def _conversation(seed: int, number: int) -> Example:
    rng = random.Random(f"reranker {seed} {number}")
    speaker = Speaker(rng)
    one, other = speaker.name(), speaker.name()
    lines: list[str] = []
    pairs = []
    for attribute in rng.sample(ATTRIBUTES, 4):
        asks, tells = rng.sample([one, other], 2)
        value = speaker.name()
        lines += [f"{asks}: {tells}, what {attribute} do you have?", f"{tells}: It is {value}."]
        pairs.append((tells, attribute, value, len(lines) - 1))
    tells, attribute, value, at = rng.choice(pairs)
    return Example(
        id=f"reranker-{seed}-{number}", observations=tuple(lines),
        question=f"What {attribute} does {tells} have?", answers=(value,),
        evidence=(Evidence(text=lines[at], observation=at),),
    )  # fmt: skip


@lru_cache(maxsize=1)
def reranker() -> RerankLinear:
    """The part that learns: one of all lines is read."""
    return RerankLinear(
        candidates=Everything(), top_k=1, embedder=Hashing(dimensions=64), features=True
    )


def untrained() -> Weights:
    """Its weights before training: the order by words."""
    return reranker().learned()


@lru_cache(maxsize=4)
def _prepared(count: int, seed: int) -> list[tuple[object, np.ndarray]]:
    return list(prepare(reranker(), conversations(count, seed)))


def share_found(weights: Weights, count: int, seed: int) -> float:
    """The share of held-out questions whose needed line has the highest score."""
    hits = [useful[np.argmax(weights.scores(c))] for c, useful in _prepared(count, seed)]  # type: ignore[arg-type]
    return float(np.mean(hits))


def train(
    rate: float,
    steps: int,
    seed: int,
    draw: Callable[[list[tuple[int, float]]], None] | None = None,
) -> tuple[Weights, list[tuple[int, float]]]:
    """The learned weights and the share of useful draws over the updates; `draw` is shown it as it grows."""
    curve: list[tuple[int, float]] = []
    recent: list[float] = []
    every = max(1, steps // 15)

    def on_step(step: int, values: dict[str, float]) -> None:
        recent.append(values["useful"])
        if step % every == 0:
            curve.append((step, sum(recent) / len(recent)))
            recent.clear()
            if draw:
                draw(curve)

    settings = Reranking(
        steps=steps,
        batch=4,
        learning_rate=rate,
        temperature=TEMPERATURE,
        baseline="mean",
        likelihood="drawn",
    )
    return train_reranker(reranker(), conversations(LEARNED, 0), settings, seed, on_step), curve


@lru_cache(maxsize=1)
def learned_by_default() -> tuple[Weights, list[tuple[int, float]]]:
    """What is learned with the settings that the page begins with."""
    return train(0.2, STEPS, 0)


def _choose() -> tuple[float, int, int]:
    names = [str(rate) for rate in RATES]
    rate, steps, seed = st.columns(3, gap="medium")
    return (
        float(rate.selectbox("Learning rate", names, **bind_to_address("rate", names, "0.2"))),
        steps.slider("Updates", 50, 600, step=50, **bind_to_address("updates", range(50, 601, 50), STEPS)),
        seed.slider("Seed", 0, 4, **bind_to_address("seed", range(5), 0)),
    )  # fmt: skip


def _show_learned(weights: Weights, curve: list[tuple[int, float]], before: float) -> None:
    left, right = st.columns([1.1, 1], gap="large")
    with left:
        st.markdown("**Useful draws** while it learned")
        figure = curve_figure({"useful": curve}, percent=True, height=250)
        show_chart(figure, "reranker.curve", curves_in_words("Useful draws", {"": curve}, True))
        st.markdown(
            f"On {HELD_OUT} held-out questions the needed line comes first in "
            f"**{share_found(weights, HELD_OUT, 1):.0%}**, before in {before:.0%}."
        )
    start = untrained().features
    rows = [
        {
            "A line scores more if it ...": MEANINGS[name],
            "Before": round(float(start[i]), 2),
            "After": round(float(weights.features[i]), 2),
        }
        for i, name in enumerate(FEATURES)
    ]
    right.dataframe(rows, hide_index=True, alt="The weights before and after")
