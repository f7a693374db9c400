"""Roles with a policy of their own: a frozen copy of the starting weights, another model, an endpoint, a program. What
they say is marked as theirs and never trained on (Memory-R1 trains one agent while the other is frozen)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from memfactory_core.dialects import Dialect
from memfactory_core.episode import Ask, Heard, Sampler
from memfactory_core.policies import Policy
from memfactory_core.policies.hf import HF
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.rewards.judge import RoleJudge
from memfactory_core.types import Completion, Example, Message

Role = Literal[
    "extract", "update", "manage", "merge", "index", "search", "rerank", "answer", "judge"
]  # fmt: skip
"""Who asks: the extractor, the updaters (rewriting, CRUD, merging, keys), the retrievers (whether to look, which to
read), the one who answers, the judge of answers."""
JUDGE: Role = "judge"
JUDGE_TOKENS = 512
"""The longest verdict of a policy that judges, thinking included."""
START = "start"
"""A role's policy that is a frozen copy of the weights that the run starts from."""
Complete = Callable[[Sequence[Ask], float], list[Completion]]


class RoleSampler(Sampler):
    """Routes each ask to its role's policy; roles that have none are the run's own."""

    def __init__(self, own: Sampler, others: Mapping[str, tuple[str, Sampler]]) -> None:
        """`others` names for each role who answers and how."""
        self.own = own
        self.others = others
        self.judge = self._find_judge()
        """Who judges answers, None where `roles.judge` names nobody."""

    def _find_judge(self) -> RoleJudge | None:
        if JUDGE not in self.others:
            return None
        name, sampler = self.others[JUDGE]
        nothing = Example(id="judge", observations=(), question="", answers=())

        def speak(conversations: Sequence[Sequence[Message]]) -> list[Completion]:
            asks = [
                Ask(JUDGE, tuple(messages), JUDGE_TOKENS, False, {}, nothing)
                for messages in conversations
            ]
            return sampler.complete(asks, 0.0)

        return RoleJudge(name, speak)

    def dialect_of(self, role: str) -> Dialect:
        """The dialect of the role's policy."""
        return self.answering(role).dialect_of(role)

    def answering(self, role: str) -> Sampler:
        """The role's policy."""
        return self.others[role][1] if role in self.others else self.own

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask, each policy's asks in one batch."""
        return self.complete_by(self.own.complete, asks, temperature)

    def complete_by(
        self, own: Complete, asks: Sequence[Ask], temperature: float
    ) -> list[Completion]:
        """As `complete`, with the run's own policy answering by `own`."""
        results: dict[int, Completion] = {}
        mine = [i for i, ask in enumerate(asks) if ask.role not in self.others]
        if mine:
            results |= zip(mine, own([asks[i] for i in mine], temperature), strict=True)
        for name, sampler, roles in self._distinct():
            theirs = [i for i, ask in enumerate(asks) if ask.role in roles]
            if theirs:
                said = sampler.complete([asks[i] for i in theirs], temperature)
                marked = [completion.model_copy(update={"policy": name}) for completion in said]
                results |= zip(theirs, marked, strict=True)
        return [results[i] for i in range(len(asks))]

    def stream(self, ask: Ask, temperature: float, heard: Heard) -> Completion:
        """One ask by its role's policy, heard as it is said."""
        if ask.role not in self.others:
            return self.own.stream(ask, temperature, heard)
        name, sampler = self.others[ask.role]
        said = sampler.stream(ask, temperature, heard)
        return said.model_copy(update={"policy": name})

    def seed(self, seed: int) -> None:
        """Seeds every policy."""
        self.own.seed(seed)
        for _, sampler, _ in self._distinct():
            sampler.seed(seed)

    def state(self) -> dict[str, Any]:
        """The states of all policies; those of roles under the role's name."""
        roles = {role: sampler.state() for role, (_, sampler) in self.others.items()}
        return {"own": self.own.state(), "roles": roles}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores every policy."""
        self.own.restore(state["own"])
        for role, (_, sampler) in self.others.items():
            sampler.restore(state["roles"][role])

    def _distinct(self) -> list[tuple[str, Sampler, set[str]]]:
        """Each other policy once, with the roles that it has."""
        found: dict[int, tuple[str, Sampler, set[str]]] = {}
        for role, (name, sampler) in self.others.items():
            found.setdefault(id(sampler), (name, sampler, set()))[2].add(role)
        return list(found.values())


class WithoutAdapters(Sampler):
    """The starting weights of a model that is trained by adapters (LoRA): the same model with its adapters switched
    off while it answers, so that a frozen copy of it needs no memory."""

    def __init__(self, own: LanguageModelSampler) -> None:
        self.own = own

    def dialect_of(self, role: str) -> Dialect:
        """The policy's own."""
        return self.own.dialect_of(role)

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask, by the model as it was before its training."""
        # by transformers whatever the policy generates with: another engine holds weights of its own
        plain = partial(LanguageModelSampler.generate, self.own)
        # nobody else may speak by the model meanwhile
        with self.own.lock, adapters_off(self.own.model):
            return self.own.complete_by(plain, asks, temperature)

    def stream(self, ask: Ask, temperature: float, heard: Heard) -> Completion:
        """One ask by the model as it was before its training, heard as it is said."""
        with self.own.lock, adapters_off(self.own.model):
            return LanguageModelSampler.stream(self.own, ask, temperature, heard)


@contextmanager
def adapters_off(model: Any) -> Iterator[None]:
    """Switches a model's adapters off and on again. They stand in its layers: who wraps the model (PEFT's class does,
    once training has begun) does not matter."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def load_roles(
    roles: Mapping[Role, Policy | Literal["start"]],
    policy: Policy,
    own: Sampler,
    weights: Path | None,
    start: Path | None,
) -> dict[str, tuple[str, Sampler]]:
    """For each role with a policy of its own: its name and the live policy, each loaded once. `policy` is the run's
    own, `own` its sampler with the weights in the folder `weights`, and `start` the folder of its starting weights
    (None: those it ships with)."""
    loaded: dict[str, tuple[str, Sampler]] = {}
    for theirs in roles.values():
        key = _key(theirs)
        if key in loaded:
            continue
        if not isinstance(theirs, str):
            loaded[key] = theirs.kind, theirs.load()
        elif isinstance(own, LanguageModelSampler) and _is_under_adapters(policy, weights, start):
            loaded[key] = START, WithoutAdapters(own)
        else:
            loaded[key] = START, policy.load(start)
    return {role: loaded[_key(theirs)] for role, theirs in roles.items()}


def _is_under_adapters(policy: Policy, weights: Path | None, start: Path | None) -> bool:
    """Whether the starting weights lie under the adapters of the policy as it was loaded. An earlier run's adapters
    would have to be kept beside its own, and whole weights have replaced the start."""
    whole = weights is not None and (weights / "config.json").is_file()
    return isinstance(policy, HF) and policy.lora_rank > 0 and start is None and not whole


def _key(policy: Policy | Literal["start"]) -> str:
    return policy if isinstance(policy, str) else policy.model_dump_json()


def check_spoken(
    policy: Policy,
    roles: Mapping[Role, Policy | Literal["start"]],
    asked: Iterable[str],
    cites: bool,
    prompts: Iterable[str],
) -> None:
    """ValueError where a role's policy has not learned it, or is asked in words of its own that `prompts` would not
    change. `asked` are the paradigm's roles."""
    answering = {role: p for role, p in roles.items() if not isinstance(p, str)}
    for role in sorted(asked):
        theirs = answering.get(cast(Role, role), policy)
        needs = ["cite"] if role == "answer" and cites else [role]
        for need in needs:
            if need in theirs.not_learned:
                what = "paradigm.cites" if need == "cite" else f"the role {need!r}"
                raise ValueError(
                    f"the policy {theirs.kind!r} has never learned what {what} asks for: choose a language model, or "
                    + (
                        "set paradigm.cites to false"
                        if need == "cite"
                        else f"give it to roles.{need}"
                    )
                )
    for role in prompts:
        theirs = answering.get(cast(Role, role), policy)
        if theirs.dialect.fixed_prompts:
            raise ValueError(
                f"paradigm.prompts.{role}: the prompts of the policy {theirs.kind!r} (dialect {theirs.dialect.kind!r}) "
                "are fixed; leave this out, or choose a language model with the dialect 'chat'"
            )


def check_copies(
    policy: Policy, roles: Mapping[Role, Policy | Literal["start"]], copying: Iterable[str]
) -> None:
    """ValueError where the policy of a role that must copy cannot be held to that."""
    for role in copying:
        given = roles.get(cast(Role, role), policy)
        theirs = policy if isinstance(given, str) else given
        if not theirs.copies:
            raise ValueError(
                f"paradigm.updater.writes is 'copied', to which the policy {theirs.kind!r} cannot be held: its tokens "
                "are drawn elsewhere; set it to 'free', or choose a model that is loaded here (hf, tiny)"
            )
