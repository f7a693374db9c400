"""A run's configuration: one pydantic model, the same in a TOML recipe, a run's record, the browser's form
and `--set a.b=c` on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from memfactory_core.assignment import explain, set_values
from memfactory_core.component import Part, Settings
from memfactory_core.endpoint.address import REASON, find_credentials
from memfactory_core.errors import ConfigError
from memfactory_core.paradigms import Paradigm, asked_roles
from memfactory_core.paradigms.stages import Form, form_of
from memfactory_core.policies import Policy
from memfactory_core.policies.imitation import Imitation
from memfactory_core.policies.reinforcement import Training
from memfactory_core.policies.roles import (
    JUDGE,
    Role,
    RoleSampler,
    check_copies,
    check_spoken,
    load_roles,
)
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.rerank_linear import RerankLinear
from memfactory_core.retrievers.settings import Reranking, Retrieval
from memfactory_core.rewards import Reward, weighed
from memfactory_core.rewards.judge import Judge
from memfactory_core.tasks import Task
from memfactory_core.tasks.settings import find_tasks, reads_the_same
from memfactory_core.text import parse_json, parse_toml
from memfactory_core.types import Seed

RECIPES = Path(__file__).parent / "recipes"
CARD = "card"
"""The table of a recipe that tells of it: on what device it is meant to run, and how long it took where."""


class Retention(Settings):
    """What is kept of a training on the disk. What is measured before and after it is kept whole."""

    every: int = Field(1, ge=1, le=1_000_000)
    """Steps between those of which episodes are kept; those of the first and the last are kept too. 1 keeps all."""
    episodes: int = Field(64, ge=1, le=1_000_000)
    """Episodes that are kept of such a step at most; where there are more, whole groups are drawn."""
    checkpoints: int = Field(2, ge=1, le=1000)
    """Checkpoints that are kept, the latest; a second one helps where the last is damaged."""
    best: bool = False
    """Also keep the checkpoint with the highest reward: the mean over the steps since the one before."""


class Evaluation(Settings):
    """How a policy is measured on held-out examples."""

    task: Part[Task] | None = None
    """The held-out task; none means the training task with held-out names or seeds."""
    examples: int = Field(200, ge=1, le=100_000)
    """Examples that are attempted."""
    samples: int = Field(4, ge=0, le=64)
    """Attempts at temperature 1 per example beside the greedy one (avg@k); 0 means greedy only."""
    scrambled: bool = False
    """Whether every question is answered once more, greedily, from the memory of another text: a control in which a
    policy that answers from its memory must fall to chance."""
    share: float = Field(0.2, gt=0, lt=1)
    """The share of a file that is held out where training and evaluation read the same one."""
    seed: Seed = 1000
    """Seed of the held-out examples; must differ from the run's."""
    judge: Judge | None = None
    """A language model that judges the answers too, by its name and, after a space, its OpenAI-compatible
    endpoint's address; empty means no judge. What it cannot judge is left out of its score."""


class RunConfig(Settings):
    """Everything that decides a run's outcome."""

    name: str = Field("untitled", min_length=1, max_length=80)
    """What the run is called in lists."""
    about: str = ""
    """One or two sentences on what this recipe shows."""
    mode: Literal["train", "imitate", "evaluate", "retrieve", "rerank"] = "train"
    """Train a policy (GRPO, after imitation where `imitation` has steps) and measure before and after; imitate
    demonstrations alone; only measure; compare retrievers; or train the linear reranker."""
    task: Part[Task]
    """What has to be remembered, and for which questions."""
    paradigm: Part[Paradigm]
    """How the agent reads, remembers and answers."""
    policy: Part[Policy]
    """Who decides."""
    weights: str | None = None
    """The run whose trained weights the policy starts from; none means its own starting weights."""
    roles: dict[Role, Part[Literal["start"] | Policy]] = {}
    """Roles that have a policy of their own and are not trained: "start" is a frozen copy of the weights that the
    run starts from, anything else a policy such as an endpoint. Roles: extract, update, manage, merge, index, search,
    rerank, answer, judge."""
    weights_step: int | None = Field(None, ge=0)
    """Of that run, the checkpoint of this step; 0 means what it started with, none the weights that it ended with."""
    reward: dict[str, float | Part[Reward]] = {"exact_match": 1.0, "rejected": -0.2}
    """What counts, and how much: a measure's weight, or a part with settings under a name of your own
    (`{kind = "length", weight = -0.01, most = 40}`). A negative weight is a cost."""
    imitation: Imitation = Imitation()
    """How it learns the form before it is trained."""
    training: Training = Training()
    """How it is trained."""
    evaluation: Evaluation = Evaluation()
    """How it is measured."""
    retention: Retention = Retention()
    """What is kept of it."""
    retrieval: Retrieval = Retrieval()
    """Which retrievers are compared."""
    reranking: Reranking = Reranking()
    """How the linear reranker is trained."""
    seed: Seed = 0
    """Seed of the examples, the sampling and the optimizer."""

    @model_validator(mode="before")
    @classmethod
    def _same_file(cls, values: Any) -> Any:
        """An evaluation task of the training task's kind that names no file reads the training task's: one
        file often holds both, such as LoCoMo's conversations."""
        task, held_out = find_tasks(values) if isinstance(values, Mapping) else ({}, {})
        if not reads_the_same(task, held_out):
            return values
        evaluation = {**values["evaluation"], "task": {**held_out, "path": task["path"]}}
        return {**values, "evaluation": evaluation}

    @model_validator(mode="before")
    @classmethod
    def _no_credentials(cls, values: Any) -> Any:
        """Settings go into records, logs and pages: no address among them may hold a key."""
        if place := find_credentials(values):
            raise ValueError(f"{place} {REASON}")
        return values

    @field_validator("reward", mode="before")
    @classmethod
    def _known_rewards(cls, table: Any) -> Any:
        """Here and not by the type: of two types that may stand there, each would tell its own error."""
        if not isinstance(table, Mapping):
            return table
        checked = {}
        for name, value in table.items():
            try:
                checked[name] = weighed(name, value)
            except ValidationError as error:
                told = [f"{name}.{line}".replace(".settings: ", ": ") for line in explain(error)]
                raise ValueError("; ".join(told)) from error
        return checked

    @model_validator(mode="after")
    def _whole(self) -> RunConfig:
        if self.mode in ("train", "imitate") and not self.policy.trainable:
            raise ValueError(
                f"the policy {self.policy.kind!r} cannot be trained; set mode to 'evaluate' "
                "or choose a trainable policy"
            )
        if self.mode == "imitate" and not self.imitation.steps:
            raise ValueError("mode 'imitate' needs imitation.steps, such as 40")
        for form in self.forms():
            self._check_paradigm(form.paradigm)
        self._check_judge()
        if self.mode == "rerank":
            self._check_reranker(self.paradigm.retriever)
        if self.mode == "retrieve" and not self.retrieval.retrievers:
            raise ValueError("mode 'retrieve' needs retrieval.retrievers, a list of kinds")
        if self.evaluation.judge and self.mode in ("retrieve", "rerank"):
            raise ValueError(
                f"mode {self.mode!r} gives no answers that evaluation.judge could judge"
            )
        if self.evaluation.seed == self.seed and not self.held_out.files():
            raise ValueError(
                "evaluation.seed equals seed: choose another, examples must be held out"
            )
        return self

    def _check_judge(self) -> None:
        """ValueError where nobody gives the verdicts that are paid for, or two do."""
        paid = [n for n, part in self.reward.items() if "judge" in (n, getattr(part, "kind", ""))]
        if paid and JUDGE not in self.roles:
            raise ValueError(
                f"reward.{paid[0]} needs a judge while a policy is trained: set roles.judge to the policy that judges "
                "(an endpoint, a model's folder, or 'start')"
            )
        if JUDGE in self.roles and self.evaluation.judge:
            raise ValueError("two judges: leave evaluation.judge or roles.judge out")

    def _check_reranker(self, retriever: Retriever) -> None:
        """ValueError where there is nothing that the mode `rerank` trains."""
        if not isinstance(retriever, RerankLinear):
            raise ValueError(
                "mode 'rerank' trains the retriever 'rerank_linear': set paradigm.retriever to it, not to "
                f"{retriever.kind!r}"
            )
        if self.reranking.alone and not retriever.features:
            raise ValueError(
                "reranking.alone takes maps and features apart: set paradigm.retriever.features to true"
            )

    def _check_paradigm(self, paradigm: Paradigm) -> None:
        """ValueError where the paradigm asks what a policy has not learned, or trains turns that another says."""
        asked = {*asked_roles(paradigm)[1], *({JUDGE} & set(self.roles))}
        check_spoken(self.policy, self.roles, asked, paradigm.cites, paradigm.prompts)
        check_copies(self.policy, self.roles, paradigm.updater.copies)
        if self.mode != "train":
            return
        trains, given = paradigm.trains, set(self.roles)
        if "answer" in given and trains != "memory":
            raise ValueError(
                f"paradigm.trains is {trains!r}, but roles.answer has a policy of its own, which is not trained: "
                "set paradigm.trains to 'memory', or leave roles.answer out"
            )
        managing = set(asked_roles(paradigm)[1]) - {"answer"}
        if trains == "memory" and managing and given >= managing:
            raise ValueError(
                "paradigm.trains is 'memory', but every role that manages it has a policy of its own: "
                "nothing is left to train"
            )

    def forms(self) -> list[Form]:
        """The forms of task and paradigm that the steps of a training have, in their order; the last has both as they
        stand, and no steps where the stages take all. ValueError where the settings of a stage do not fit."""
        found: list[Form] = []
        left = self.training.steps
        for number, stage in enumerate(self.training.stages, 1):
            try:
                form = form_of(stage, self.task, self.paradigm)
            except ValidationError as error:
                problems = "; ".join(explain(error))
                raise ValueError(f"training.stages: stage {number}: {problems}") from error
            except ValueError as error:
                raise ValueError(f"training.stages: stage {number}: {error}") from error
            found.append(form._replace(steps=min(form.steps, left)))
            left -= found[-1].steps
        return [*found, Form(left, self.task, self.paradigm)]

    def form_at(self, step: int) -> Form:
        """The form that a step of a training has, counted from 1; beyond the last step, as both stand."""
        *early, form = self.forms()
        for one in early:
            if step <= one.steps:
                return one
            step -= one.steps
        return form

    def load_policies(self, weights: Path | None, start: Path | None) -> RoleSampler:
        """The live policy with the weights in a folder (None: its own), and for the roles that have one of their
        own that one; `start` is what "start" stands for. PolicyError where one cannot be loaded."""
        own = self.policy.load(weights)
        return RoleSampler(own, load_roles(self.roles, self.policy, own, weights, start))

    @property
    def imitates(self) -> bool:
        """Whether the policy learns the form from demonstrations."""
        return self.mode in ("train", "imitate") and self.imitation.steps > 0

    @property
    def held_out(self) -> Task:
        """The task that is evaluated."""
        return self.evaluation.task or self.task

    def dump(self) -> dict[str, Any]:
        """The whole configuration as plain values."""
        return self.model_dump(mode="json")

    def to_toml(self) -> str:
        """The configuration as a recipe file; what is None is left out."""
        return tomli_w.dumps(_without_none(self.dump()))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.toml"))}


def read(source: str) -> dict[str, Any]:
    """The plain values of a recipe: a known name, or the path of a .toml or .json file (a run's run.json
    too). ConfigError says what is wrong and where."""
    values = read_file(source)
    values.pop(CARD, None)
    return values


def read_file(source: str) -> dict[str, Any]:
    """As `read`, with the table `[card]`, which says what a recipe needs and is no setting."""
    known = recipes()
    path = known.get(source) or Path(source)
    if path.suffix not in (".toml", ".json"):
        raise ConfigError(
            f"no recipe called {source!r}; known: {', '.join(known)} (or the path of a .toml or .json file)"
        )
    try:
        text = path.read_text(encoding="utf-8")
        values = parse_toml(text) if path.suffix == ".toml" else parse_json(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"cannot read the recipe {path}: {error}") from error
    # a run's record holds its recipe as a table of its own
    if isinstance(values, dict) and "config" in values:
        values = values["config"]
    if not isinstance(values, dict):
        raise ConfigError(f"the recipe {path} is not a table of settings")
    return values


def build(values: Mapping[str, Any], origin: str = "the configuration") -> RunConfig:
    """The validated configuration. ConfigError carries one line per problem, with the setting's path."""
    if isinstance(values.get("log"), Mapping):  # whatever the mode was set to since
        raise ConfigError(f"{origin} is another agent's log: that agent is not here")
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        named = (part for problem in error.errors() for part in problem["loc"])
        # what pydantic puts in the place of half a pair of characters
        if name := next((part for part in named if "\ufffd" in str(part)), None):
            raise ConfigError(f"{origin}: the name of a setting is no text: {name!a}") from error
        raise ConfigError(f"{origin}: " + "; ".join(explain(error))) from error
    except UnicodeEncodeError as error:  # half of a pair of characters, in a name
        raise ConfigError(
            f"{origin}: the name of a setting is no text: {error.object!a}"
        ) from error


def lost_stages(source: str, config: RunConfig) -> bool:
    """Whether a recipe trains in stages and a configuration made of it does not: it was told so, or its parts are of
    other kinds."""
    training = read(source).get("training")
    staged = isinstance(training, Mapping) and bool(training.get("stages"))
    return staged and config.mode == "train" and not config.training.stages


def load(source: str, assignments: Sequence[str] = ()) -> RunConfig:
    """A recipe by name or path with overrides, validated."""
    values = read(source)
    set_values(values, assignments)
    return build(values, source)
