"""The two modes of a run that need no policy: comparing retrievers, and training the linear reranker (RMM,
arXiv 2503.08026) beside the untrained ones. Results are named retriever/category/score."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers import Retriever
from memfactory_core.scoring.evaluate import Summary
from memfactory_core.scoring.retrieval import compare_retrievers, name_retrievers
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
    chosen = name_retrievers(config.retrieval.retrievers)
    return _flat(compare_retrievers(chosen, examples, config.retrieval.ks, config.retrieval.store))


def rerank(
    config: RunConfig, held_out: list[Example], folder: Path, on_step: OnStep
) -> tuple[Results, Results]:
    """Trains the paradigm's `rerank_linear` and saves it as `reranker.safetensors` in `folder`; the results
    before (with every untrained retriever beside it) and after. ConfigError where the retriever is
    another one or nothing can be held out."""
    from memfactory_core.retrievers.rerank_linear import RerankLinear
    from memfactory_core.training.reranker import train_reranker

    retriever = config.paradigm.retriever
    if not isinstance(retriever, RerankLinear):
        raise ConfigError(f"mode 'rerank' trains rerank_linear, not {retriever.kind!r}")
    before = compare(config, held_out) | _measure(retriever, config, held_out)
    examples = training_examples(config)
    weights = train_reranker(retriever, examples, config.reranking, config.seed, on_step)
    path = folder / "reranker.safetensors"
    weights.save(path)
    trained = retriever.model_copy(update={"weights": str(path)})
    return before, _measure(trained, config, held_out)


def _measure(retriever: Retriever, config: RunConfig, examples: list[Example]) -> Results:
    one = {retriever.kind: retriever}
    return _flat(compare_retrievers(one, examples, config.retrieval.ks, config.retrieval.store))


def _flat(results: Mapping[str, Mapping[str, Summary]]) -> Results:
    return {
        f"{name}/{category}/{score}": values
        for name, categories in results.items()
        for category, summary in categories.items()
        for score, values in summary.items()
    }
