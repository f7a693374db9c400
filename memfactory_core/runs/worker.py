"""The composition root: a run's configuration becomes objects; it trains or evaluates and writes what
happens into the database. Runs as a process of its own (`python -m memfactory_core work RUN`)."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlmodel import col

from memfactory_core.config import build
from memfactory_core.errors import MemFactoryError, RunError
from memfactory_core.models.folder import measure_folder
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.runs import (
    database,
    disk,
    imitating,
    jobs,
    measuring,
    record,
    recording,
    reinforcing,
    retention,
    retrieval_modes,
)
from memfactory_core.runs.ending import LAST_WORD, cause_in_words
from memfactory_core.runs.interrupt import Stopped, Terminated, terminable
from memfactory_core.runs.lease import LeaseLost
from memfactory_core.runs.supervisor import FLAG, SAVING
from memfactory_core.runs.tables import STARTABLE, Run
from memfactory_core.runs.weights import (
    ancestors,
    imitated_weights,
    last_checkpoint,
    require_finite,
    role_weights,
    seal,
    start_weights,
    tidy,
)
from memfactory_core.scoring.split import (
    demonstrated_examples,
    describe_held_out,
    held_out_examples,
    training_examples,
)
from memfactory_core.scoring.window import require_window
from memfactory_core.trace import Episode
from memfactory_core.types import Example

HEARTBEAT = 2.0
PATIENCE = 600.0
"""Seconds that a worker waits for a locked database or a full disk before it ends."""


class Work:
    """One run being carried out."""

    def __init__(self, engine: Engine, run: Run, token: str | None = None) -> None:
        self.engine = engine
        self.token = token
        self.run = run
        self.folder = Path(run.folder)
        self.config = build(run.settings, f"run {run.id}")
        self.judge = judge.load() if (judge := self.config.evaluation.judge) else None
        self.results: dict[str, Any] = {}
        self.notes: list[str] = []
        self.lost = threading.Event()
        self.began = time.monotonic()
        self.evaluation_seconds = 0.0

    def carry_out(self) -> None:
        """Does the whole run and records how it ended; errors of ours are raised again after that. LeaseLost where
        the run has another worker; nothing is written then."""
        lease = jobs.claim(self.engine, self.run.id, self.token)
        self.engine = self.engine.execution_options(lease=lease, patience=PATIENCE, say=self.say)
        self.update(heartbeat=database.now())
        finished = threading.Event()
        heart = threading.Thread(target=self._beat, args=(finished,), daemon=True)
        heart.start()
        state, reason = "finished", ""
        try:
            with terminable():
                self._run()
        except LeaseLost as error:
            state = ""
            self.say(f"{error}; leaving")
        except Stopped:
            state = "stopped"
        except Terminated as error:
            state, reason = "stopped", "" if (self.folder / FLAG).exists() else str(error)
        except MemFactoryError as error:
            state, reason = "failed", str(error)
        except BaseException as error:
            state, reason = "failed", cause_in_words(error, self.folder)
            raise
        finally:
            finished.set()
            heart.join()
            if state:
                self._end(state, reason)

    def _end(self, state: str, reason: str) -> None:
        """Writes how the run ended. Where the database cannot be reached, the log's last line says it."""
        reason = "; ".join([*self.notes, *([reason] if reason else [])])
        unheard = state == "failed"
        try:
            self.update(phase=self.run.phase)  # the flag is only taken down by whom it was for
            (self.folder / FLAG).unlink(missing_ok=True)
            self.update(state=state, reason=reason, ended=database.now(), eta=None, progress=None)
        except LeaseLost as error:
            self.say(f"{error}; leaving")
            return
        except database.Busy as error:
            unheard, reason = True, reason or f"the run was {state}, but {error}"
        if unheard:
            self._print(f"{LAST_WORD}{reason}")

    def _run(self) -> None:
        from transformers.utils import logging as transformers_logging

        add = partial(record.add_versions, self.folder, self.config)
        database.patiently(self.engine, add)
        if self.config.mode in ("retrieve", "rerank"):
            retrieval_modes.carry_out(self, self._held_out())
            return
        held_out = self._held_out()  # before anything slow: an overlap ends the run here
        self.enter("loading the policy")
        transformers_logging.disable_progress_bar()
        self.notes = tidy(self.folder)
        for note in self.notes:
            self.say(note)
        checkpoint = last_checkpoint(self.folder)
        policy = self.folder / "policy"  # is there once the training has ended
        trained = self.config.mode == "train" and policy.exists()
        imitated = imitated_weights(self.folder, self.config)
        start = imitated or start_weights(self.engine, self.config)
        sampler = self._load(policy if trained else start)
        learned = training_examples(self.config) if self.config.mode == "train" else []
        shown = demonstrated_examples(self.config) if self.config.imitates else []
        for form in self.config.forms():
            require_window(form.paradigm, sampler, [*held_out, *learned, *shown])
        if self.config.mode == "evaluate":
            self.evaluate("after", sampler, held_out, 0)
            return
        if not isinstance(sampler.own, LanguageModelSampler):
            raise RunError(f"the policy {self.config.policy.kind!r} cannot be trained")
        if self.config.imitates:
            self.results = self.run.summary
            if imitated is None:
                imitated = imitating.imitate(self, sampler, sampler.own, held_out, shown)
                del sampler  # a second model of its size might not fit
                gc.collect()
                sampler = self._load(imitated)
        if self.config.mode == "imitate":
            self.evaluate("after", sampler, held_out, self.config.imitation.steps)
            imitating.pass_gate(self, sampler, held_out)
            return
        if checkpoint is None and not trained:
            self.evaluate("before", sampler, held_out, 0)
        else:
            self.results = self.run.summary
        if self.config.imitates:
            imitating.pass_gate(self, sampler, held_out)
        if not trained and isinstance(sampler.own, LanguageModelSampler):
            reinforcing.reinforce(
                self, sampler, sampler.own, imitated or start, checkpoint, learned
            )
        self.evaluate("after", sampler, held_out, self.config.training.steps)

    def _load(self, weights: Path | None) -> RoleSampler:
        start = role_weights(self.engine, self.config, self.folder)
        sampler = self.config.load_policies(weights, start)
        if not self.config.evaluation.judge:
            self.judge = sampler.judge
        if hasattr(sampler.own, "model"):
            require_finite(sampler.own.model)
        return sampler

    def evaluate(self, when: str, sampler: Any, examples: list[Example], step: int) -> None:
        """Measures the policy, and keeps the episodes and the scores under `when`."""
        measuring.measure(self, when, sampler, examples, step)

    def _held_out(self) -> list[Example]:
        trained = ancestors(self.engine, self.config)
        held_out = held_out_examples(self.config, *trained)
        measured = describe_held_out(self.config, held_out, *trained)
        self.add_to_record(measured=measured)
        return held_out

    def add_to_record(self, **values: Any) -> None:
        """Adds values to the run's run.json."""
        database.patiently(self.engine, partial(record.add, self.folder, values))

    def keep_training_episodes(self, step: int, episodes: list[Episode]) -> None:
        """Writes the episodes that a step learned from, as far as they are kept."""
        self.check_stop()
        kept = retention.kept_episodes(self.config, step, episodes)
        recording.save_episodes(self.engine, self.run.id, "train", step, kept)

    def keep_metrics(self, step: int, logs: dict[str, Any]) -> None:
        """Writes a step's curves, the progress and the estimated time left."""
        values = {k: float(v) for k, v in logs.items() if isinstance(v, int | float) and v == v}
        recording.save_metrics(self.engine, self.run.id, step, values)
        self.check_stop()

    def keep_progress(self, step: int, done: int, left: float) -> None:
        """This process has done `done` steps, and those that are left will take `left` seconds."""
        if done == 1 or step % 10 == 0:
            self.say(f"step {step}")
        self.update(step=step, eta=left + self.evaluation_seconds)

    def announce_saving(self) -> None:
        """Says that a checkpoint is being written before the run stops."""
        self.update(phase=jobs.SAVING)
        with contextlib.suppress(OSError):  # so that nobody ends it meanwhile
            (self.folder / FLAG).write_text(SAVING)

    def is_asked_to_stop(self) -> bool:
        """Whether the user asked the run to stop. LeaseLost where the run is another's."""
        try:
            self.check_stop()
        except Stopped:
            return True
        return False

    def check_stop(self) -> None:
        """Raises Stopped where the user asked for it, LeaseLost where the run is another's."""
        if self.lost.is_set():
            raise LeaseLost(
                f"process {os.getpid()} is not the worker of run {self.run.id} any more"
            )
        if (self.folder / FLAG).exists():
            raise Stopped

    def say(self, text: str) -> None:
        """Writes a line with the time since the start into the log."""
        self._print(f"[{time.monotonic() - self.began:6.1f}s] {text}")

    def _print(self, line: str) -> None:
        # the log may lie on the disk that is full; the run does not end of that
        with contextlib.suppress(OSError):
            print(line, flush=True)

    def seal(self, step: int) -> None:
        """Notes what the checkpoint of `step` holds, now that it is whole; older ones go as the retention says."""
        checkpoint = self.folder / "checkpoints" / f"checkpoint-{step}"
        if checkpoint.is_dir():
            seal(checkpoint)
            retention.drop_checkpoints(self.engine, self.run.id, self.config, self.folder)

    def wait_for_room(self) -> None:
        """Waits until the disk has room for another checkpoint. Busy where it gets none."""
        kept = last_checkpoint(self.folder)
        needed = measure_folder(kept) if kept else 0
        database.patiently(self.engine, lambda: disk.require_room(self.folder, needed))

    def enter(self, phase: str) -> None:
        """Says what is being done from now on."""
        self.check_stop()
        self.say(phase)
        self.update(phase=phase, progress=None)

    def _beat(self, finished: threading.Event) -> None:
        hasty = self.engine.execution_options(patience=0.0)
        while not finished.wait(HEARTBEAT):
            try:
                database.update_run_if(hasty, self.run.id, heartbeat=database.now())
            except LeaseLost:
                self.lost.set()
                return
            except database.Busy:
                continue  # whoever works waits for the database, and says so

    def update(self, **changes: Any) -> None:
        """Writes columns of the run's row."""
        self.run = database.update_run(self.engine, self.run.id, **changes)


def work(engine: Engine, run_id: str, token: str | None = None) -> Run:
    """Carries out one run in this process, which was started for it with `token`; LeaseLost where the run has another
    worker. A traceback of ours goes to the run's log."""
    run = database.get_run(engine, run_id)
    try:
        Work(engine, run, token).carry_out()
    except LeaseLost:
        raise
    except MemFactoryError as error:
        mine = Run.token == token if token else col(Run.state).in_(STARTABLE)
        failed = {"state": "failed", "reason": str(error), "ended": database.now()}
        database.update_run_if(engine, run.id, mine, **failed)
    except Exception:
        traceback.print_exc()
    return database.get_run(engine, run_id)
