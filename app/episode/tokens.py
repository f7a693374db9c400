"""Token by token: what training made more or less likely in a turn of an episode."""

from __future__ import annotations

from math import exp
from pathlib import Path

import streamlit as st

from app.chat.agents import Agent, find_agent, list_checkpoints, samplers
from app.markup.safe_text import escape_markdown, one_line
from app.markup.tokens import show_tokens_line
from app.shell.widgets import table_with_download
from memfactory_core.errors import MemFactoryError
from memfactory_core.explain import moments
from memfactory_core.explain.causes import explain, primary
from memfactory_core.explain.likelihood import Token, compare_tokens
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Asked, Episode


def show_tokens(run: Run, shown: Episode) -> None:
    """A turn's tokens under the weights chosen and under the start; computed on demand."""
    turns = [str(i) for i, turn in enumerate(shown.turns) if turn.completion.completion_ids]
    if not turns:
        st.info(
            "No tokens were recorded of this episode: its policy is a program, or one that is not here."
        )
        return
    weights = list_checkpoints(run)
    if not weights:
        st.info("This run left no weights to compare with its start.", icon=":material/block:")
        return
    which, when, how = st.columns([2.2, 1.2, 1.2], vertical_alignment="bottom")
    turn = int(
        which.selectbox(
            "Turn", turns, _turn_of_event(shown, turns), format_func=lambda t: _turn_title(shown, int(t)),
            key=f"tokens.turn.{shown.id}.{st.query_params.get('event', '')}",
        )
    )  # fmt: skip
    point = when.selectbox("Weights of", list(weights))
    key = f"tokens.{run.id}.{shown.id}.{turn}.{point}"
    if how.button("Compare", icon=":material/compare_arrows:", width="stretch", type="primary"):
        with st.spinner("Both policies read the turn."):
            try:
                st.session_state[key] = _compare_weights(run, shown, turn, weights[point])
            except MemFactoryError as error:
                st.info(
                    f"This cannot be compared: {escape_markdown(str(error), 400)}",
                    icon=":material/block:",
                )
    tokens = st.session_state.get(key)
    if not tokens:
        st.caption("The tokens of a turn, coloured by what training changed in their probability.")
        return
    st.html(show_tokens_line(tokens))
    st.caption(
        "Underlined green: more likely after training; dashed red: less likely; the stronger the "
        "colour, the greater the change. Point at a token for its log-probabilities."
    )
    table_with_download(
        [
            {
                "token": one_line(token.text, 40) or "(space)", "after training": round(exp(token.now), 4),
                "at the start": round(exp(token.start), 4),
                "change in nats": round(token.now - token.start, 3),
            }
            for token in tokens
        ],
        "tokens",
    )  # fmt: skip


def _turn_title(shown: Episode, number: int) -> str:
    turn = shown.turns[number]
    role = one_line(moments.ROLES.get(turn.role, turn.role).lower(), 60)
    where = "answer" if turn.observation is None else f"section {turn.observation + 1}"
    return f"{number + 1}: {where}, {role}" if where != role else f"{number + 1}: {role}"


def _turn_of_event(shown: Episode, turns: list[str]) -> int:
    """Where the turn stands among `turns` that led to the address bar's event, else to the one that a cause blames."""
    given = st.query_params.get("event", "")
    found = None if given.isdecimal() else primary(explain(shown))
    seq = int(given) if given.isdecimal() else found.seq if found else None
    asked = [
        e.index for e in shown.events if isinstance(e, Asked) and seq is not None and e.seq <= seq
    ]
    return turns.index(str(asked[-1])) if asked and str(asked[-1]) in turns else 0


def _compare_weights(run: Run, shown: Episode, turn: int, weights: Path) -> list[Token]:
    before = find_agent(f"run:{run.id}", before=True)
    now = samplers.get(Agent(before.label, before.config, weights, before.start)).own
    start = samplers.get(before).own
    if not isinstance(now, LanguageModelSampler) or not isinstance(start, LanguageModelSampler):
        return []
    return compare_tokens(shown.turns[turn], now, start)
