"""The stage before a training, or a run of its own: the policy learns the form from demonstrations, and a gate says
whether it has, and whether its choices are still as ignorant as its teacher's."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from memfactory_core.config import RunConfig
from memfactory_core.episode import run_episodes
from memfactory_core.errors import RunError
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.roles import START, RoleSampler
from memfactory_core.rewards import score_all
from memfactory_core.runs import record, recording
from memfactory_core.runs.measuring import expected_seconds
from memfactory_core.runs.recording import IMITATION, UNTRAINED
from memfactory_core.runs.reinforcing import save_policy
from memfactory_core.runs.weights import imitation_folder, last_checkpoint, seal, tidy
from memfactory_core.scoring.evaluate import Summary, flat, summarize
from memfactory_core.text import describe_duration
from memfactory_core.types import Example

if TYPE_CHECKING:
    from memfactory_core.runs.worker import Work

CURVES = {"loss": "loss", "mean_token_accuracy": "accuracy", "learning_rate": "learning_rate"}
"""TRL's names of what is kept as curves, and ours."""
CHOICES = ("kept", "stored", "found")
"""Measures that a choice is paid by; the first that the run has says whether it is ignorant."""


class Gate(NamedTuple):
    """What was found after imitation: whether the gate was passed, and a line that says so with figures."""

    passed: bool
    line: str


def imitate(
    work: Work,
    sampler: RoleSampler,
    own: LanguageModelSampler,
    held_out: list[Example],
    shown: list[Example],
) -> Path:
    """Measures the run's policy as it is where that was not done yet, then lets it imitate the ignorant teacher, from
    the last checkpoint on where there is one; the folder of the weights that it ends with. Stopped where that was
    asked, after a checkpoint."""
    config = work.config
    first = _first(config)
    if first not in work.results:
        work.evaluate(first, sampler, held_out, 0)
    folder = imitation_folder(work.folder, config)
    folder.mkdir(exist_ok=True)
    for note in tidy(folder):
        work.say(note)
        work.notes.append(note)
    work.evaluation_seconds = expected_seconds(work.folder)
    work.enter("imitating: playing demonstrations")
    trainer, resumed = _make_trainer(work, folder, sampler, own, shown)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    if trainer.state.global_step < config.imitation.steps:
        work.check_stop()
    save_policy(work, trainer, folder)
    if config.mode == "train":
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return folder / "policy"


def _first(config: RunConfig) -> str:
    return "before" if config.mode == "imitate" else UNTRAINED


def _make_trainer(
    work: Work,
    folder: Path,
    sampler: RoleSampler,
    own: LanguageModelSampler,
    examples: list[Example],
) -> tuple[Any, Path | None]:
    """TRL's trainer on the demonstrations, and the checkpoint that it goes on from."""
    import torch
    from transformers import PrinterCallback

    from memfactory_core.training.demonstrations import demonstrate
    from memfactory_core.training.imitation import imitation_config, make_trainer

    config, settings = work.config, work.config.imitation
    demonstrations = demonstrate(config, sampler, examples)
    work.say(f"{len(demonstrations)} demonstrations of {len(examples)} examples")
    args = imitation_config(
        settings, str(folder / "checkpoints"), config.seed, use_cpu=not torch.cuda.is_available(),
        **config.policy.training_arguments(),
    )  # fmt: skip
    sampler.seed(config.seed)
    # as it learns, in every role that it is taught: those of its frozen start too
    others = {role: other for role, other in sampler.others.items() if other[0] != START}
    pupil = RoleSampler(own, others)
    trainer = make_trainer(
        own, demonstrations, settings, args,
        callbacks=[_progress(work, folder, pupil, examples[: settings.checked])],
        **config.policy.trainer_options(own.model),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer, last_checkpoint(folder)


def _progress(work: Work, folder: Path, sampler: RoleSampler, checked: list[Example]) -> Any:
    """A trainer callback: curves, progress, checkpoints that are whole, checks of the form, and a stop where it was
    asked, at the end of the step."""
    from transformers import TrainerCallback

    settings = work.config.imitation

    class Progress(TrainerCallback):
        first_step, began = 0, 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.first_step, self.began = state.global_step, time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            step = state.global_step
            if settings.check_every and step % settings.check_every == 0:
                share = obeyed(work.config, sampler, checked)
                save_curves(work, step, {"form": share})
                work.say(f"imitation, step {step}: {share:.0%} of what it writes can be read")
            done = step - self.first_step
            left = (settings.steps - step) * (time.monotonic() - self.began) / max(done, 1)
            _tell(work, step, left)
            if work.is_asked_to_stop() and step < settings.steps:
                work.announce_saving()
                control.should_save = control.should_training_stop = True
            if control.should_save:
                work.wait_for_room()

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            checkpoint = folder / "checkpoints" / f"checkpoint-{state.global_step}"
            if checkpoint.is_dir():
                seal(checkpoint)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            found = {ours: logs[name] for name, ours in CURVES.items() if name in (logs or {})}
            save_curves(work, state.global_step, found)

    return Progress()


def _tell(work: Work, step: int, left: float) -> None:
    """How far imitation has come; `left` seconds are left of it, which is not all of a run that trains after it."""
    steps = work.config.imitation.steps
    if work.config.mode == "imitate":
        work.update(step=step, eta=left + work.evaluation_seconds)
        return
    phase = f"imitating, step {step} of {steps}, {describe_duration(left)} left of it"
    work.update(phase=phase, progress=step / steps, eta=None)


def pass_gate(work: Work, sampler: RoleSampler, held_out: list[Example]) -> None:
    """Says in the log and in the run's record whether the form was learned and the choice was not; where not, in the
    run's reason too. RunError where the run is to end then."""
    config, results = work.config, work.results
    last = "after" if config.mode == "imitate" else "before"
    kept = record.read(work.folder).get("imitation")
    if isinstance(kept, dict):  # a run that is resumed was judged before
        gate = Gate(kept["passed"], kept["line"])
    else:
        chance = teacher_scores(config, sampler, held_out)
        gate = judge_gate(config, results.get(_first(config), {}), results[last], chance)
        work.add_to_record(imitation=gate._asdict())
    work.say(gate.line)
    if not gate.passed and config.imitation.missed == "end":
        raise RunError(gate.line)
    if not gate.passed:
        work.notes.append(gate.line)


def save_curves(work: Work, step: int, values: Mapping[str, float]) -> None:
    """Writes points of imitation's curves."""
    named = {f"{IMITATION}{name}": float(value) for name, value in values.items()}
    recording.save_metrics(work.engine, work.run.id, step, named)


def obeyed(config: RunConfig, sampler: RoleSampler, examples: list[Example]) -> float:
    """The share of what the policy writes, one greedy attempt at each example, that its reader takes."""
    played = run_episodes(config.paradigm, sampler, examples, 0.0)
    shares = [episode.scores.get("rejected", 0.0) for episode in score_all(played, config.reward)]
    return 1.0 - sum(shares) / len(shares)


def teacher_scores(config: RunConfig, sampler: RoleSampler, examples: list[Example]) -> Summary:
    """What the ignorant teacher itself reaches: the chance that a choice is compared with."""
    from memfactory_core.training.demonstrations import make_teacher, play

    played = play(config, make_teacher(config, sampler, encodes=False), examples)
    return flat({"greedy": summarize(score_all(played, config.reward), config.reward)})


def judge_gate(
    config: RunConfig,
    untrained: Mapping[str, Any],
    imitated: Mapping[str, Any],
    chance: Mapping[str, Any],
) -> Gate:
    """Whether the form was learned and the choice was not. Each mapping holds one evaluation's scores with their
    intervals, by `greedy/NAME`."""
    rejected = imitated.get("greedy/rejected", {}).get("mean", 0.0)
    limit = config.imitation.most_rejected
    told = [f"rejected {rejected:.2f} (at most {limit:.2f})"]
    missed = [] if rejected <= limit else ["the form is not learned"]
    name = next((f"greedy/{name}" for name in CHOICES if f"greedy/{name}" in imitated), None)
    if name:
        was, now, by_chance = (scores.get(name, {}) for scores in (untrained, imitated, chance))
        told.append(
            f"{name.partition('/')[2]} {now['mean']:.2f} (the teacher's chance {by_chance.get('mean', 0.0):.2f}, "
            f"untrained {was.get('mean', 0.0):.2f})"
        )
        ceiling = max(scores.get("high") or 0.0 for scores in (was, by_chance))
        if (now.get("low") or 0.0) > ceiling:
            missed.append("the choice is no longer ignorant")
    verdict = f"missed: {' and '.join(missed)}" if missed else "passed"
    return Gate(not missed, f"imitation's gate {verdict}: {', '.join(told)}")
