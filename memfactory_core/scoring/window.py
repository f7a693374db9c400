"""Whether what a run will ask fits into the windows of its policies' models, found out before anything is measured:
beyond its window a model answers with nonsense and no error."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from memfactory_core.dialects import Dialect
from memfactory_core.episode import Answering, Ask, Sampler, run_episodes
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.roles import RoleSampler, WithoutAdapters
from memfactory_core.types import Completion, Example

WORD = "memory "
SHARES = (1.0, 0.5, 0.25, 0.125)
"""How long answers are made, in shares of what is allowed: what is too long for the memory is rejected and in no later
prompt."""


def require_window(paradigm: Paradigm, sampler: RoleSampler, examples: Sequence[Example]) -> None:
    """ConfigError where a prompt and the longest answer to it have more tokens together than a model's window. The
    example with the longest section is played with long answers; no model is asked."""
    policies = [sampler.own, *(other for _, other in sampler.others.values())]
    if not examples or not any(map(_find_window, policies)):
        return
    longest = max(examples, key=lambda one: max(map(len, one.observations), default=0))
    for share in SHARES:
        # a part that cannot read such answers has asked before that; the run itself tells what else is wrong
        with contextlib.suppress(RunError):
            run_episodes(paradigm, _Measuring(sampler, share), [longest], 0.0)


class _Measuring(Answering):
    def __init__(self, sampler: RoleSampler, share: float) -> None:
        self.sampler = sampler
        self.share = share

    def dialect_of(self, role: str) -> Dialect:
        return self.sampler.dialect_of(role)

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        for ask in asks:
            _measure(ask, self.sampler.answering(ask.role))
        return [Completion(text=WORD * int(ask.max_tokens * self.share)) for ask in asks]


def _find_window(policy: Sampler) -> int | None:
    model = policy.own if isinstance(policy, WithoutAdapters) else policy
    return model.window if isinstance(model, LanguageModelSampler) else None


def _measure(ask: Ask, policy: Sampler) -> None:
    window = _find_window(policy)
    answering = policy.own if isinstance(policy, WithoutAdapters) else policy
    if window is None or not isinstance(answering, LanguageModelSampler):
        return
    needed = len(answering.encode(ask.messages))
    if needed + ask.max_tokens > window:
        raise ConfigError(
            f"role {ask.role!r}: a prompt of {needed:,} tokens and an answer of up to {ask.max_tokens:,} do not fit "
            f"into the {window:,} tokens that {answering.model.name_or_path!r} reads; choose shorter "
            "sections (task), a smaller memory or fewer max_tokens (paradigm), or another model"
        )
