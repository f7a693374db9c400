"""Who is measured: the agents of chosen runs, what they started with, and programs as baselines."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.markup.safe_text import one_line
from app.shell.address import bind_list_to_address
from memfactory_core.runs.evaluations import STRATEGIES, UNTRAINED, scripted
from memfactory_core.runs.labels import tell_apart
from memfactory_core.runs.tables import Run

TRAINED = "trained"
AGENTS = {"trained": "Trained", "untrained": "Untrained"}
AGENTS_HELP = (
    "Trained: the weights that a run ended with. Untrained: what it started with, on the same held-out "
    "examples, so that the difference is what the training did."
)
STRATEGY_LABELS = {
    "overlap": "overlap: what shares words with the question",
    "everything": "everything: keeps all there is room for",
    "nothing": "nothing: remembers nothing at all",
    "first": "first: keeps what came first",
    "last": "last: keeps what came last",
    "random": "random: any operation, by chance",
    "clairvoyant": "clairvoyant: knows what will be asked; what is possible",
}
STRATEGIES_HELP = (
    "Programs in the policy's place, on the same examples. A trained policy that does not beat them has "
    "not learned what to remember."
)


def choose_runs(runs: Sequence[Run]) -> list[Run]:
    """The runs whose agents are measured, by name; kept in the address bar."""
    known = {run.id: run for run in runs}
    labels = tell_apart((run.id, run.name, run.created) for run in runs)
    chosen = st.multiselect(
        "Runs", list(known), format_func=lambda run: one_line(labels[run], 100), wrap=True,
        placeholder="Choose one or more runs by name",
        help="Each run's agent is its memory with the policy that it trained.",
        **bind_list_to_address("run", list(known)),
    )  # fmt: skip
    return [known[run] for run in chosen]


def choose_agents() -> list[tuple[str, ...]]:
    """The agents of each run as assignments of `memfactory eval`: none for the trained policy."""
    chosen = st.pills(
        "Agents", list(AGENTS), selection_mode="multi", default=list(AGENTS),
        format_func=AGENTS.__getitem__, help=AGENTS_HELP, key="evaluate.agents",
    )  # fmt: skip
    programs = st.multiselect(
        "Programs beside them", [name for name in STRATEGY_LABELS if name in STRATEGIES],
        format_func=STRATEGY_LABELS.__getitem__, help=STRATEGIES_HELP, key="evaluate.programs",
        placeholder="None", wrap=True,
    )  # fmt: skip
    agents = [() if agent == TRAINED else UNTRAINED for agent in AGENTS if agent in chosen]
    return [*agents, *map(scripted, programs)]
