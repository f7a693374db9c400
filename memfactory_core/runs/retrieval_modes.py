"""The two modes of a run that need no policy: comparing retrievers, and training the linear reranker (RMM,
arXiv 2503.08026) beside the untrained ones. Results are named retriever/category/score."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.rerank_linear import RerankLinear
from memfactory_core.retrievers.settings import Reranking
from memfactory_core.scoring.retrieval import (
    Scored,
    add_gains,
    name_retrievers,
    score_questions,
    summarize,
)
from memfactory_core.scoring.split import training_examples
from memfactory_core.types import Example

if TYPE_CHECKING:
    from memfactory_core.runs.worker import Work

OnStep = Callable[[int, dict[str, float]], None]
Results = dict[str, dict[str, float]]


def carry_out(work: Work, held_out: list[Example]) -> None:
    """The whole of a run in one of these modes."""
    config = work.config
    work.enter("comparing retrievers" if config.mode == "retrieve" else "training")
    if config.mode == "retrieve":
        work.results["after"] = compare(config, held_out)
    else:
        every = max(1, config.reranking.steps // 200)
        recent: list[float] = []

        def on_step(step: int, values: dict[str, float]) -> None:
            recent.append(values["useful"])
            if step % every == 0 or step == config.reranking.steps:
                work.keep_metrics(step, {"useful": sum(recent) / len(recent)})
                work.update(step=step)
                recent.clear()

        before, after = rerank(config, held_out, work.folder, on_step)
        work.results |= {"before": before, "after": after}
    work.update(results=json.dumps(work.results))


def compare(config: RunConfig, examples: list[Example]) -> Results:
    """Every retriever of the configuration on the same questions."""
    return _flat(_score(config, name_retrievers(config.retrieval.retrievers), examples))


def rerank(
    config: RunConfig, held_out: list[Example], folder: Path, on_step: OnStep
) -> tuple[Results, Results]:
    """Trains the paradigm's `rerank_linear` and saves it as `reranker.safetensors` in `folder`; the maps alone and
    the features alone too where they are wanted. The results before, with every untrained retriever beside it, and
    after, with each recall's gain over the one of `retrieval.retrievers` that finds most. ConfigError where the
    retriever is another one or nothing can be held out."""
    from memfactory_core.training.reranker import train_reranker

    others = _score(config, name_retrievers(config.retrieval.retrievers), held_out)
    learners = _learners(config)
    before = others | _score(config, {one.name: one.retriever for one in learners[:1]}, held_out)
    examples = training_examples(config)
    after: dict[str, list[Scored]] = {}
    for one in learners:
        told = on_step if one is learners[0] else None
        weights = train_reranker(one.retriever, examples, one.settings, config.seed, told)
        weights.save(folder / one.file)
        trained = one.retriever.model_copy(update={"weights": str(folder / one.file)})
        after |= _score(config, {one.name: trained}, held_out)
    if others:
        first = f"recall@{config.retrieval.ks[0]}"
        best = max(others, key=lambda name: sum(one.scores[first] for one in others[name]))
        after = {name: add_gains(scored, others[best], best) for name, scored in after.items()}
    return _flat(before), _flat(after)


@dataclass(frozen=True)
class _Learner:
    """A reranker that is trained: what results call it, its file of weights, how it learns."""

    name: str
    file: str
    retriever: RerankLinear
    settings: Reranking


def _learners(config: RunConfig) -> list[_Learner]:
    """The paradigm's reranker, then its parts that are wanted alone."""
    whole, settings = config.paradigm.retriever, config.reranking
    if not isinstance(whole, RerankLinear):
        raise ConfigError(f"mode 'rerank' trains rerank_linear, not {whole.kind!r}")
    found = [_Learner(whole.kind, "reranker.safetensors", whole, settings)]
    for part in settings.alone:
        without = {"features": False, "around": False} if part == "maps" else {}
        learns = {} if part == "maps" else {"map_rate": 0.0}
        found.append(
            _Learner(
                f"{whole.kind} ({part} alone)",
                f"{part}.safetensors",
                whole.model_copy(update=without),
                settings.model_copy(update=learns),
            )
        )
    return found


def _score(
    config: RunConfig, retrievers: Mapping[str, Retriever], examples: list[Example]
) -> dict[str, list[Scored]]:
    how = config.retrieval
    return {
        name: score_questions(retriever, examples, how.ks, how.store)
        for name, retriever in retrievers.items()
    }


def _flat(scored: Mapping[str, list[Scored]]) -> Results:
    return {
        f"{name}/{category}/{score}": values
        for name, one in scored.items()
        for category, summary in summarize(one).items()
        for score, values in summary.items()
    }
