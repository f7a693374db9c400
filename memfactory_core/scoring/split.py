"""Which examples are learned from and which are held out. Generated tasks keep them apart by names and seeds;
a file that serves both is split here by its texts, so that all questions about one text are on one side. A
text's rank is its identity in the data (`Example.text`), which no seed, shuffle or setting changes: the split
is the same before and after training and in every later evaluation of the trained weights. What is measured
is compared with what was learned from before anything runs."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError
from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import take
from memfactory_core.types import Example

ALL = 2**62
"""More examples than any file holds."""
LEARNING = ("train", "imitate", "rerank")
"""The modes that learn from examples."""


def training_examples(config: RunConfig) -> list[Example]:
    """The examples that a run learns from, in the order of their use: `groups` for each step (all in mode
    `rerank`). A file is gone through in rounds, each shuffled anew by the seed; each stage has rounds of its own.
    ConfigError where there are none."""
    drawn: list[Example] = []
    for batches, learned in _learned_by_stage(config):
        refuse_same_ids(config.task, learned)
        if not learned:
            raise ConfigError("the training task has no examples")
        if config.mode != "rerank" and config.task.files():
            learned = draw_rounds(learned, batches, config.training.groups, config.seed)
        drawn += learned
    return drawn


def demonstrated_examples(config: RunConfig) -> list[Example]:
    """The training examples that imitation demonstrates, at most `imitation.examples`: of the task as it stands, even
    where a training ends in a stage."""
    count = config.imitation.examples
    if not config.task.files():
        return config.task.examples(count, config.seed, "train")
    whole = config.training.model_copy(update={"stages": ()})
    ((_, learned),) = _learned_by_stage(config.model_copy(update={"training": whole}))
    return take(learned, count, config.seed)


def draw_rounds(examples: Sequence[Example], steps: int, groups: int, seed: int) -> list[Example]:
    """`steps` times `groups` examples: all of them, shuffled, then all again in another order, and so on; a
    step that ends one round begins the next. Where a step has one example twice (there are fewer than
    `groups`), the later ones get an id of their own, since each id is a group."""
    rng = random.Random(f"rounds {seed}")
    left: deque[int] = deque()
    drawn: list[Example] = []
    for _ in range(steps):
        times: dict[int, int] = {}
        for _ in range(groups):
            if not left:
                order = rng.sample(range(len(examples)), len(examples))
                # what the begun step has already comes last, so that it comes twice only where it must
                left.extend(sorted(order, key=lambda place: times.get(place, 0)))
            place = left.popleft()
            times[place] = times.get(place, 0) + 1
            example = examples[place]
            if times[place] > 1:
                example = example.model_copy(update={"id": f"{example.id}~{times[place]}"})
            drawn.append(example)
    return drawn


def held_out_examples(config: RunConfig, *trained: RunConfig) -> list[Example]:
    """The examples that a run is measured on; `trained` are the configurations of the runs whose weights it
    starts from. Where no `evaluation.task` is named, what was learned from is left out; one that is named
    must not overlap with it. ConfigError where it does, and where there are no examples."""
    settings, task = config.evaluation, config.held_out
    if settings.task or not task.files() or not (config.mode in LEARNING or trained):
        examples = task.examples(settings.examples, settings.seed, "heldout")
        for one in (config, *trained):
            if one.mode in LEARNING and not unknown_files(one):
                refuse_overlap(learned_texts(one), examples)
    else:
        examples = task.examples(ALL, settings.seed, "heldout")
        count = len(examples)
        if config.mode in LEARNING:
            _, examples = split(examples, config)
        for one in trained:
            if one.mode in LEARNING and not unknown_files(one):
                learned = learned_texts(one)
                examples = [example for example in examples if example.text not in learned]
        if count and not examples:
            raise ConfigError(
                f"{', '.join(task.files())}: the weights have learned from all {count} examples; evaluate "
                "them on a file of its own"
            )
        examples = take(examples, settings.examples, settings.seed)
    if not examples:
        raise ConfigError("the evaluation task has no examples")
    refuse_same_ids(task, examples)
    return examples


def refuse_same_ids(task: Task, examples: Sequence[Example]) -> None:
    """ConfigError where two examples share an id: they would be counted as attempts at one. Readers tell theirs
    apart; a task of one's own may not."""
    places: dict[str, int] = {}
    for place, example in enumerate(examples, 1):
        first = places.setdefault(example.id, place)
        if first != place:
            raise ConfigError(
                f"the task {task.kind!r} gives its examples {first} and {place} the same id {example.id!r}; "
                "ids must differ"
            )


def refuse_overlap(learned: Collection[str], held: Sequence[Example]) -> None:
    """ConfigError where a held-out example reads one of the texts that are learned from."""
    leaked = [example for example in held if example.text in learned]
    if leaked:
        raise ConfigError(
            f"{len(leaked)} of {len(held)} held-out examples read a text that is also learned from (the first "
            f"is {leaked[0].id}): leave evaluation.task out, so that a share of the file is held out, or let it "
            "name other records"
        )


def learned_texts(config: RunConfig) -> set[str]:
    """The identities of the texts that a run learns from, whatever the stage, those that are demonstrated among
    them."""
    shown = demonstrated_examples(config) if config.imitates else []
    stages = [*(learned for _, learned in _learned_by_stage(config)), shown]
    return {example.text for learned in stages for example in learned}


def unknown_files(config: RunConfig) -> list[str]:
    """Data files of a run that are no longer where they were: what it learned from them cannot be compared."""
    return [file for file in config.task.files() if not Path(file).is_file()]


def split(examples: list[Example], config: RunConfig) -> tuple[list[Example], list[Example]]:
    """Examples to learn from and held-out ones, `evaluation.share` of the texts that are read, at least one.
    ConfigError where all examples read the same text."""
    texts = sorted({example.text for example in examples})
    if len(texts) < 2:
        raise ConfigError(
            f"{', '.join(config.task.files())}: all {len(examples)} examples read the same text, so none can "
            "be held out; set evaluation.task to a file of its own, or its conversations where it is LoCoMo"
        )
    count = min(len(texts) - 1, max(1, round(config.evaluation.share * len(texts))))
    held = set(texts[:count])
    return (
        [example for example in examples if example.text not in held],
        [example for example in examples if example.text in held],
    )


def describe_held_out(
    config: RunConfig, examples: Sequence[Example], *trained: RunConfig
) -> dict[str, Any]:
    """What a run is measured on, as plain values: the task's kind, its files, which part of them, how many
    examples, questions and texts, and how many needed facts the files name but do not state."""
    task, settings = config.held_out, config.evaluation
    part = f"held-out names, seed {settings.seed}"
    if task.files():
        part = "whole file"
        if settings.task is not None:
            part = "what evaluation.task names"
        elif config.mode in LEARNING:
            part = f"held-out {settings.share:.0%} of the texts"
        elif trained:
            part = "what the weights did not learn from"
    if gone := [file for one in trained for file in unknown_files(one)]:
        part += f"; not compared with what the weights learned from, {', '.join(gone)} is gone"
    return {
        "task": task.kind, "files": task.files(), "split": part, "examples": len(examples),
        "questions": sum(len(example.questions) for example in examples),
        "texts": len({example.text for example in examples}),
        "missing_evidence": sum(
            len(about.get("missing_evidence", ()))
            for example in examples
            for about in example.meta.get("questions") or [example.meta]
        ),
    }  # fmt: skip


def _learned_by_stage(config: RunConfig) -> list[tuple[int, list[Example]]]:
    """The batches of each stage of a training and the different examples that they are drawn from, in the task's
    order; the other modes that learn have one stage. What is held out of the task as it stands is held out of all."""
    if config.mode not in LEARNING:
        return []
    task, rounds = config.task, config.training
    if config.mode == "train":
        forms, count = config.forms(), rounds.steps * rounds.groups
        # one batch for each `reuse` of steps; the last stage has the rest
        early = [(-(-form.steps // rounds.reuse), form.task) for form in forms[:-1]]
        stages = [*early, (rounds.steps - sum(batches for batches, _ in early), task)]
        stages = [stage for stage in stages if stage[0]]  # those that a short training reaches
    else:
        count = (config.reranking if config.mode == "rerank" else config.imitation).examples
        stages = [(0, task)]
    if not task.files() and config.mode == "train":
        ends = list(accumulate(batches * rounds.groups for batches, _ in stages))
        # each stage takes up where the one before it ended: no example comes twice, nor does an id
        return [
            (batches, form.examples(end, config.seed, "train")[end - batches * rounds.groups :])
            for (batches, form), end in zip(stages, ends, strict=True)
        ]
    if config.evaluation.task or not task.files():
        return [(batches, form.examples(count, config.seed, "train")) for batches, form in stages]
    _, held = split(task.examples(ALL, config.seed, "train"), config)
    texts = {example.text for example in held}
    learned = []
    for batches, form in stages:
        examples = form.examples(ALL, config.seed, "train")
        examples = [example for example in examples if example.text not in texts]
        whole = config.mode == "train"
        learned.append((batches, examples if whole else take(examples, count, config.seed)))
    return learned
