"""What if: a decision of an episode is changed and the rest is played again by the run's policy. The
record stays as it is."""

from __future__ import annotations

import threading

import streamlit as st

from app.chat.agents import Agent, find_agent, samplers
from app.compose.fields import field_label
from app.episode.change import choose_change, choose_write
from app.episode.outcome import show_attempts, show_outcome
from app.markup.safe_text import escape_markdown
from memfactory_core.component import kinds
from memfactory_core.errors import MemFactoryError
from memfactory_core.explain.causes import explain, primary
from memfactory_core.explain.what_if import Change, Outcome, play_again
from memfactory_core.paradigms import Paradigm
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Episode

MOST_ATTEMPTS = 32
AS_IT_WAS = "as recorded"
_PLAYING = threading.Lock()


def show_what_if(run: Run, phase: str, step: int, shown: Episode) -> None:
    """The change, the attempts, and what came of them."""
    if run.mode == "imported":
        _explain_refusal("it is another agent's log, and that agent is not here.")
        return
    try:
        agent = find_agent(
            f"run:{run.id}",
            before=phase.startswith("before"),
            untrained=phase.startswith("untrained"),
        )
    except MemFactoryError as error:
        _explain_refusal(str(error))
        return
    config = agent.config
    # an episode of a stage is played again with the paradigm that it had
    paradigm = config.form_at(step).paradigm if phase == "train" else config.paradigm
    if not agent.config.policy.trainable:
        _explain_refusal(f"its policy ({agent.config.policy.kind}) is a program or a service, without "
                  "weights that could play the rest again.")  # fmt: skip
        return
    finding = primary(explain(shown))
    decision = choose_write(shown, finding)
    if decision is None:
        return
    left, right = st.columns([1, 1.35], gap="large")
    with left:
        change = choose_change(shown, decision, finding)
    with right:
        reading = change.turn < len(shown.turns) and shown.turns[change.turn].observation is None
        which, many = st.columns([1.5, 1], vertical_alignment="bottom", gap="small")
        known = [AS_IT_WAS, *kinds("retrievers")]
        retriever = which.selectbox(
            "Retriever", known, index=1 if reading else 0, key=f"what-if.retriever.{reading}",
            format_func=lambda name: name.replace("_", " "),
            help=f"The record's is {field_label(paradigm.retriever.kind)}.",
        )  # fmt: skip
        samples = int(many.number_input("Attempts", 1, MOST_ATTEMPTS, 8, key="what-if.samples"))
        key = f"what-if.{shown.id}"
        made = [change.model_dump_json(), retriever, samples]
        if st.button("Play again", type="primary", icon=":material/replay:", width="stretch"):
            with st.spinner("The policy plays the rest again."):
                st.session_state[key] = (
                    made,
                    _play_both(agent, paradigm, shown, change, retriever, samples),
                )
        kept = st.session_state.get(key)
        if kept is None:
            st.caption(
                f"{escape_markdown(agent.label)} plays the rest {samples:,} times with the change and "
                "as often without it, to compare. The record stays as it is."
            )
            return
        if kept[0] != made:
            st.caption("These results are of the change before; press the button for the new one.")
        show_outcome(*kept[1])
    show_attempts(kept[1][1])


def _explain_refusal(reason: str) -> None:
    refusal = f"This run cannot play an episode again: {escape_markdown(reason, 400)}"
    st.info(refusal, icon=":material/block:")


def _play_both(
    agent: Agent, was: Paradigm, shown: Episode, change: Change, retriever: str, samples: int
) -> tuple[Outcome, Outcome]:
    """The rest as it was said, with the paradigm that it had, and with the change; both sampled, so that they can be
    compared."""
    config, paradigm = agent.config, was
    if retriever != AS_IT_WAS:
        paradigm = paradigm.model_copy(update={"retriever": kinds("retrievers")[retriever]()})
    turns = shown.turns[: change.turn + 1]
    words = turns[change.turn].completion.text if change.turn < len(turns) else None
    same = Change(turn=change.turn, text=words)
    if shown.turns[change.turn].observation is None:
        same = Change(turn=change.turn)
    with _PLAYING:
        sampler = samplers.get(agent)
        return (
            play_again(shown, was, sampler, same, config.reward, samples),
            play_again(shown, paradigm, sampler, change, config.reward, samples),
        )
