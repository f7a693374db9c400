"""The composition root: a run's configuration becomes objects; it trains or evaluates and writes what
happens into the database. Runs as a process of its own (`python -m memfactory_core work RUN`)."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from memfactory_core.config import build
from memfactory_core.errors import MemFactoryError, RunError
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.runs import database, jobs, recording
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import (
    ancestors,
    last_checkpoint,
    role_weights,
    start_weights,
)
from memfactory_core.scoring.evaluate import evaluate, flat
from memfactory_core.scoring.split import describe_held_out, held_out_examples, training_examples
from memfactory_core.tasks.data_file import sha256
from memfactory_core.trace import Episode
from memfactory_core.types import Example

HEARTBEAT = 2.0
KEPT_PER_STEP = 64
"""Episodes that are kept of one step at most; beyond that whole groups are left out of the database."""
PACKAGES = ("torch", "transformers", "trl", "lancedb", "pydantic")


class Stopped(Exception):
    """The user asked the run to stop."""


class Work:
    """One run being carried out."""

    def __init__(self, engine: Engine, run: Run) -> None:
        self.engine = engine
        self.run = run
        self.folder = Path(run.folder)
        self.config = build(run.settings, f"run {run.id}")
        self.judge = judge.load() if (judge := self.config.evaluation.judge) else None
        self.results: dict[str, Any] = {}
        self.began = time.monotonic()

    def carry_out(self) -> None:
        """Does the whole run and records how it ended; errors of ours are raised again after that."""
        finished = threading.Event()
        heart = threading.Thread(target=self._beat, args=(finished,), daemon=True)
        self._update(
            state="running", pid=os.getpid(), born=_born(), heartbeat=database.now(), reason=""
        )
        heart.start()
        state, reason = "finished", ""
        try:
            self._run()
        except Stopped:
            state = "stopped"
        except MemFactoryError as error:
            state, reason = "failed", str(error)
            print(f"error: {error}", flush=True)
        except BaseException as error:
            state, reason = "failed", f"{type(error).__name__}: {error}"
            raise
        finally:
            finished.set()
            heart.join()
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "stop").unlink()
            self._update(state=state, reason=reason, ended=database.now(), eta=None)

    def _run(self) -> None:
        from transformers.utils import logging as transformers_logging

        from memfactory_core.policies.language_model import LanguageModelSampler

        self._record()
        if self.config.mode in ("retrieve", "rerank"):
            self._retrieve()
            return
        held_out = self._held_out()  # before anything slow: an overlap ends the run here
        self._phase("loading the policy")
        transformers_logging.disable_progress_bar()
        checkpoint = last_checkpoint(self.folder)
        policy = self.folder / "policy"  # is there once the training has ended
        trained = self.config.mode == "train" and policy.exists()
        start = start_weights(self.engine, self.config)
        sampler = self.config.load_policies(
            policy if trained else start, role_weights(self.engine, self.config)
        )
        if self.config.mode == "evaluate":
            self._evaluate("after", sampler, held_out, 0)
            return
        if not isinstance(sampler.own, LanguageModelSampler):
            raise RunError(f"the policy {self.config.policy.kind!r} cannot be trained")
        if checkpoint is None and not trained:
            self._evaluate("before", sampler, held_out, 0)
        else:
            self.results = self.run.summary
        if not trained:
            self._train(sampler, checkpoint)
        self._evaluate("after", sampler, held_out, self.config.training.steps)

    def _retrieve(self) -> None:
        from memfactory_core.runs import retrieval_modes

        self._phase("comparing retrievers" if self.config.mode == "retrieve" else "training")
        held_out = self._held_out()
        if self.config.mode == "retrieve":
            self.results["after"] = retrieval_modes.compare(self.config, held_out)
        else:
            every = max(1, self.config.reranking.steps // 200)
            recent: list[float] = []

            def on_step(step: int, values: dict[str, float]) -> None:
                recent.append(values["useful"])
                if step % every == 0:
                    self.keep_metrics(step, {"useful": sum(recent) / len(recent)})
                    self._update(step=step)
                    recent.clear()

            before, after = retrieval_modes.rerank(self.config, held_out, self.folder, on_step)
            self.results |= {"before": before, "after": after}
        self._update(results=json.dumps(self.results))

    def _train(self, sampler: RoleSampler, checkpoint: Path | None) -> None:
        from memfactory_core.training.arguments import grpo_config
        from memfactory_core.training.trainer import MemoryGRPOTrainer

        config, settings = self.config, self.config.training
        self._phase("training")
        import torch
        from transformers import PrinterCallback

        done = int(checkpoint.name.split("-")[1]) if checkpoint else 0
        recording.forget_episodes(self.engine, self.run.id, "train", after_step=done)
        examples = training_examples(config)
        args = grpo_config(
            settings, str(self.folder / "checkpoints"), config.seed,
            use_cpu=not torch.cuda.is_available(), **config.policy.training_arguments(),
        )  # fmt: skip
        trainer = MemoryGRPOTrainer(
            sampler, config.paradigm, examples, config.reward, settings, args,
            on_episodes=self._keep_training_episodes,
            callbacks=[_progress(self)], **config.policy.trainer_options(sampler.own.model),
        )  # fmt: skip
        if checkpoint is None or not trainer.restore_draws(checkpoint):
            sampler.seed(config.seed + done)
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except Stopped:
            self._update(phase=jobs.SAVING)
            trainer.keep_checkpoint()
            raise
        part = self.folder / "policy.part"
        trainer.save_model(str(part))
        # a pickle of the trainer's arguments, with this machine's paths: nobody reads it
        (part / "training_args.bin").unlink(missing_ok=True)
        part.rename(self.folder / "policy")
        sampler.own.model = trainer.accelerator.unwrap_model(trainer.model)

    def _evaluate(self, when: str, sampler: Any, examples: list[Example], step: int) -> None:
        self._phase(f"evaluating {when} training" if self.config.mode == "train" else "evaluating")

        def keep(mode: str, episodes: list[Episode]) -> None:
            self.check_stop()
            recording.save_episodes(self.engine, self.run.id, f"{when}/{mode}", step, episodes)

        for mode in ("greedy", "sampled"):  # of an evaluation that was stopped half way
            recording.forget_episodes(self.engine, self.run.id, f"{when}/{mode}")
        summary = evaluate(
            self.config.paradigm, sampler, examples, self.config.reward,
            self.config.evaluation.samples, keep, self.judge, self.config.seed,
        )  # fmt: skip
        self.results[when] = flat(summary)
        self._record_judge(when)
        self._update(results=json.dumps(self.results))

    def _record_judge(self, when: str) -> None:
        """Names the judge in run.json and says what it left out of this evaluation."""
        if not self.judge:
            return
        path = self.folder / "run.json"
        record = json.loads(path.read_text())
        kept = record.setdefault("judge", {})
        kept |= {"model": self.judge.settings.model, "host": self.judge.settings.host}
        kept[when] = self.judge.account()
        path.write_text(json.dumps(record, indent=2))
        self.judge.begin()

    def _held_out(self) -> list[Example]:
        trained = ancestors(self.engine, self.config)
        held_out = held_out_examples(self.config, *trained)
        path = self.folder / "run.json"
        record = json.loads(path.read_text())
        record["measured"] = describe_held_out(self.config, held_out, *trained)
        path.write_text(json.dumps(record, indent=2))
        return held_out

    def _keep_training_episodes(self, step: int, episodes: list[Episode]) -> None:
        self.check_stop()
        size = self.config.training.group_size
        kept = episodes[: max(1, KEPT_PER_STEP // size) * size]
        recording.save_episodes(self.engine, self.run.id, "train", step, kept)

    def keep_metrics(self, step: int, logs: dict[str, Any]) -> None:
        """Writes a step's curves, the progress and the estimated time left."""
        values = {k: float(v) for k, v in logs.items() if isinstance(v, int | float) and v == v}
        recording.save_metrics(self.engine, self.run.id, step, values)
        self.check_stop()

    def keep_progress(self, step: int, done: int, seconds: float) -> None:
        """`done` steps of this process took `seconds`."""
        if done == 1 or step % 10 == 0:
            print(f"[{time.monotonic() - self.began:6.1f}s] step {step}", flush=True)
        left = (self.config.training.steps - step) * seconds / max(done, 1)
        self._update(step=step, eta=left)

    def check_stop(self) -> None:
        """Raises Stopped where the user asked for it."""
        if (self.folder / "stop").exists():
            raise Stopped

    def _record(self) -> None:
        """Adds to run.json what makes the run repeatable: versions and the data files' sha256."""
        record = json.loads((self.folder / "run.json").read_text())
        files = {*self.config.task.files(), *self.config.held_out.files()}
        record["versions"] = {name: version(name) for name in PACKAGES}
        record["files"] = {name: sha256(name) for name in sorted(files)}
        (self.folder / "run.json").write_text(json.dumps(record, indent=2))

    def _phase(self, phase: str) -> None:
        self.check_stop()
        print(f"[{time.monotonic() - self.began:6.1f}s] {phase}", flush=True)
        self._update(phase=phase)

    def _beat(self, finished: threading.Event) -> None:
        while not finished.wait(HEARTBEAT):
            self._update(heartbeat=database.now())

    def _update(self, **changes: Any) -> None:
        self.run = database.update_run(self.engine, self.run.id, **changes)


def _progress(work: Work) -> Any:
    """A trainer callback that writes curves and progress, and stops where it was asked."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        first_step = 0
        began = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.first_step, self.began = state.global_step, time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            done = state.global_step - self.first_step
            work.keep_progress(state.global_step, done, time.monotonic() - self.began)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            work.keep_metrics(state.global_step, logs or {})

    return Progress()


def _born() -> float:
    import psutil

    return psutil.Process().create_time()


def work(engine: Engine, run_id: str) -> Run:
    """Carries out one run in this process. A traceback of ours goes to the run's log."""
    run = database.get_run(engine, run_id)
    try:
        Work(engine, run).carry_out()
    except MemFactoryError as error:
        database.update_run(engine, run.id, state="failed", reason=str(error), ended=database.now())
    except Exception:
        traceback.print_exc()
    return database.get_run(engine, run_id)
