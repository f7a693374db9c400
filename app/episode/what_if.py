"""What if: a write of an episode is undone, edited or replaced, or the memory is read by another
retriever, and the rest is played again by the run's policy. The record stays as it is."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import streamlit as st

from app.chat import agents as conversation
from app.chat.agents import Agent
from app.compose.forms import field_label
from app.markup.answers import answer_cards
from app.markup.differences import show_write
from app.markup.labels import ACTIONS, figures_row
from app.markup.safe_text import SHOWN_CHARACTERS, escape_markdown, one_line
from app.markup.sections import section_cards
from app.shell.address import bind_to_address
from memfactory_core.component import kinds
from memfactory_core.errors import MemFactoryError, RunError
from memfactory_core.explain import moments, story
from memfactory_core.explain.what_if import Change, Outcome, play_again, turn_of, undo
from memfactory_core.paradigms import Paradigm
from memfactory_core.rewards.answers import exact_match
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Episode, Recalled, Wrote
from memfactory_core.types import Memory

MOST_ATTEMPTS = 32
SHUFFLES = 2000
READING = "reading"
"""Stands for the answer's turn where a write is chosen: only what is read changes."""
AS_IT_WAS = "as recorded"
UNDO, EDIT, FORCE, AGAIN = "Undo it", "Say something else", "Force an operation", "Ask again"
OPERATIONS = {"manage": ("ADD", "UPDATE", "DELETE", "NOOP"), "merge": ("ADD", "MERGE")}
_PLAYING = threading.Lock()


def show_what_if(run: Run, phase: str, shown: Episode) -> None:
    """The change, the attempts, and what came of them."""
    try:
        agent = conversation.find_agent(f"run:{run.id}", before=phase.startswith("before"))
    except MemFactoryError as error:
        _explain_refusal(str(error))
        return
    if not agent.config.policy.trainable:
        _explain_refusal(f"its policy ({agent.config.policy.kind}) is a program or a service, without "
                  "weights that could play the rest again.")  # fmt: skip
        return
    decision = _choose_write(shown)
    if decision is None:
        return
    left, right = st.columns([1, 1.35], gap="large")
    with left:
        change = _choose_change(shown, decision)
    with right:
        reading = change.turn < len(shown.turns) and shown.turns[change.turn].observation is None
        which, many, act = st.columns([1.4, 0.9, 1.4], vertical_alignment="bottom", gap="small")
        known = [AS_IT_WAS, *kinds("retrievers")]
        retriever = which.selectbox(
            "Retriever", known, index=1 if reading else 0, key=f"what-if.retriever.{reading}",
            format_func=lambda name: name.replace("_", " "),
            help=f"The record's is {field_label(agent.config.paradigm.retriever.kind)}.",
        )  # fmt: skip
        samples = int(many.number_input("Attempts", 1, MOST_ATTEMPTS, 8, key="what-if.samples"))
        key = f"what-if.{shown.id}"
        made = [change.model_dump_json(), retriever, samples]
        if act.button("Play again", type="primary", icon=":material/replay:", width="stretch"):
            with st.spinner("The policy plays the rest again."):
                st.session_state[key] = made, _play_both(agent, shown, change, retriever, samples)
        kept = st.session_state.get(key)
        if kept is None:
            st.caption(
                f"{escape_markdown(agent.label)} plays the rest {samples:,} times with the change and "
                "as often without it, to compare. The record stays as it is."
            )
            return
        if kept[0] != made:
            st.caption("These results are of the change before; press the button for the new one.")
        _show_outcome(*kept[1])


def _explain_refusal(reason: str) -> None:
    told = f"This run cannot play an episode again: {escape_markdown(reason, 400)}"
    st.info(told, icon=":material/block:")


def _choose_write(shown: Episode) -> str | None:
    """The event that is to be changed, READING for what is read to answer."""
    writes = {str(e.seq): e for e in shown.events if isinstance(e, Wrote) and _has_turn(shown, e)}
    options = [*writes, *([READING] if _answer_turns(shown) else [])]
    if not options:
        st.info("The policy decided nothing in this episode.")
        return None
    return st.selectbox(
        "Which decision", options, format_func=lambda o: _describe_write(writes.get(o)),
        **bind_to_address("event", options),
    )  # fmt: skip


def _answer_turns(shown: Episode) -> list[int]:
    return [i for i, turn in enumerate(shown.turns) if turn.observation is None]


def _choose_change(shown: Episode, decision: str) -> Change:
    if decision == READING:
        st.html(
            '<div class="mf mf-muted">The memory stays as recorded; what is read from it changes.'
            "</div>"
        )
        return Change(turn=_answer_turns(shown)[0])
    event = shown.events[int(decision)]
    st.html(f'<div class="mf">{show_write(event, shown.example.needed)}</div>')
    return _choose_change_of(shown, event)


def _has_turn(shown: Episode, event: Wrote) -> bool:
    try:
        turn_of(shown, event.seq)
    except RunError:
        return False
    return True


def _describe_write(event: Wrote | None) -> str:
    if event is None:
        return "What is read to answer"
    where = "answering" if event.at is None else f"section {event.at + 1}"
    action = ACTIONS[event.action][1].lower()
    return f"{where}: {action} {one_line(event.after or event.before or '', 90)}"


def _choose_change_of(shown: Episode, event: Wrote) -> Change:
    turn = turn_of(shown, event.seq)
    role, said = shown.turns[turn].role, shown.turns[turn].completion.text
    hows = [*([UNDO] if event.action in ("add", "update", "delete") else []), EDIT]
    hows += [*([FORCE] if role in OPERATIONS else []), AGAIN]
    how = st.radio("Change", hows, horizontal=True, key=f"what-if.how.{shown.id}.{event.seq}")
    key = f"what-if.{how}.{shown.id}.{event.seq}"
    if how == UNDO:
        return undo(shown, event.seq)
    if how == AGAIN:
        return Change(turn=turn)
    if how == FORCE:
        text = _force_operation(shown, event, role, key)
        return Change(turn=turn, text=text)
    given = st.text_area("What the policy says instead", said[:SHOWN_CHARACTERS], key=key)
    return Change(turn=turn, text=given)


def _force_operation(shown: Episode, event: Wrote, role: str, key: str) -> str:
    """An operation in the policy's own words; it can only name memories that it was shown."""
    told = moments.moments(shown)
    moment = told[moments.find(told, event.seq)]
    recalls = [e for e in moment.events if isinstance(e, Recalled)]
    known: dict[str, Memory] = {h.memory.id: h.memory for r in recalls[-1:] for h in r.hits}
    names = [n for n in OPERATIONS[role] if known or n in ("ADD", "NOOP")]
    name = st.selectbox("Operation", names, key=f"{key}.name")
    if name == "NOOP":
        return name
    fact = recalls[-1].query if recalls else event.after or ""
    if name == "ADD":
        return f"ADD {st.text_area('Text', fact, key=f'{key}.text')}"
    which = st.selectbox(
        "Memory",
        list(known),
        format_func=lambda i: f"#{one_line(i, 20)} {one_line(known[i].text, 60)}",
        key=f"{key}.id",
    )
    old = f"{known[which].text} #{which}"
    if name == "DELETE":
        return f"DELETE {old}"
    return f"{name} {old} to {st.text_area('New text', fact, key=f'{key}.new')}"


def _play_both(
    agent: Agent, shown: Episode, change: Change, retriever: str, samples: int
) -> tuple[Outcome, Outcome]:
    """The rest as it was said, and with the change; both sampled, so that they can be compared."""
    config = agent.config
    paradigm: Paradigm = config.paradigm
    if retriever != AS_IT_WAS:
        paradigm = paradigm.model_copy(update={"retriever": kinds("retrievers")[retriever]()})
    turns = shown.turns[: change.turn + 1]
    words = turns[change.turn].completion.text if change.turn < len(turns) else None
    same = Change(turn=change.turn, text=words)
    if shown.turns[change.turn].observation is None:
        same = Change(turn=change.turn)
    with _PLAYING:
        sampler = conversation.samplers.get(agent)
        return tuple(
            play_again(shown, how, sampler, one, config.reward, samples)
            for how, one in ((config.paradigm, same), (paradigm, change))
        )


def _show_outcome(same: Outcome, changed: Outcome) -> None:
    st.html(figures_row({
        "Reward, recorded": f"{changed.before:+.2f}",
        "Played again unchanged": f"{same.after:+.2f}",
        "With the change": f"{changed.after:+.2f}",
        "Right with the change": f"{changed.exact_match_after:.0%}",
    }))  # fmt: skip
    told = judge_difference([e.reward for e in same.episodes], [e.reward for e in changed.episodes])
    st.caption(
        f"Means of {changed.samples} attempts at temperature 1, with 95% intervals: unchanged "
        f"{same.low:+.2f} to {same.high:+.2f}, with the change {changed.low:+.2f} to "
        f"{changed.high:+.2f}. {told}"
    )
    episodes = changed.episodes
    answers: list[dict[str, Any]] = [
        {
            "Attempt": number, "Answer": one_line(one.answer, 200), "Reward": round(one.reward, 3),
            "Right": "yes" if exact_match(one.answer, one.example.answers) else "no",
        }
        for number, one in enumerate(episodes, 1)
    ]  # fmt: skip
    st.dataframe(answers, hide_index=True, alt="The new attempts", height=min(250, 38 * 9))
    number = st.selectbox("Look at attempt", range(1, len(episodes) + 1), key="what-if.look")
    one = episodes[min(number, len(episodes)) - 1]
    told = story.sections(one.example, one.events)
    with st.container(height=420):
        st.html(section_cards(one.example, told[:30]) + answer_cards(one))


def judge_difference(same: Sequence[float], changed: Sequence[float]) -> str:
    """What two lists of rewards tell, in words. Small samples' intervals are too narrow, so the
    difference is judged by how often shuffled rewards differ as much."""
    difference = fmean(changed) - fmean(same)
    if abs(difference) < 1e-9:
        return "The means are the same."
    pool, size, rng = [*same, *changed], len(same), random.Random(0)
    as_large = 0
    for _ in range(SHUFFLES):
        rng.shuffle(pool)
        as_large += abs(fmean(pool[size:]) - fmean(pool[:size])) >= abs(difference) - 1e-9
    chance = as_large / SHUFFLES
    if chance >= 0.05:
        return (
            f"By chance alone the two differ as much in {chance:.0%} of cases: "
            "so few attempts tell nothing."
        )
    share = "less than 1%" if chance < 0.01 else f"{chance:.0%}"
    helps = "helps" if difference > 0 else "harms"
    return f"The change {helps}: by chance alone the two differ as much in {share} of cases."
