"""One training step of the tiny policy, four ways in turn: `python -m bench.step memagent-tiny [--steps 3]`.
ours: the trainer of a run, all groups in lockstep. reference: the schedule of the framework of arXiv 2603.29493 on
our parts, a group at a time, `model.generate`, log-probabilities once before the loss and once in it. bound: the
prompts of the trained turns decoded in one batch to the same texts, those that an attempt says by itself, and so
those of the others (the reward hangs on answers of a frozen role), and one forward and backward pass over the same
rows, each read whole and multiplied whole, in pieces by length; both pass through transformers' own norms. lean: the
same work with what rows have in common computed once, gradients rounded and the products of the decoding taken for
the pass, as in a run; its prompts are decoded round by round, since a turn's prompt holds what the turn before it
wrote, or (`at_once`) in one batch all the same. All ways start each round from the policy as it stands. Processor
seconds of one thread; nothing is cut from the sampling (min_p = 0), attempts earn 0 and 1 in turn, so that the ways
do the same. Ratios are of one round; their spread is over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from transformers import TrainerCallback  # noqa: E402
from transformers.models.lfm2.modeling_lfm2 import Lfm2RMSNorm  # noqa: E402

from bench.chat_step import Timed  # noqa: E402
from bench.decoding import say_again  # noqa: E402
from memfactory_core.config import RunConfig, load  # noqa: E402
from memfactory_core.episode import Ask, run_episodes  # noqa: E402
from memfactory_core.policies.copying import Guide  # noqa: E402
from memfactory_core.policies.language_model import (  # noqa: E402
    Generated,
    LanguageModelSampler,
    Limits,
)
from memfactory_core.policies.processor import collecting_seldom, keep_freed_memory  # noqa: E402
from memfactory_core.rewards import score_all  # noqa: E402
from memfactory_core.tiny.norm import TinyNorm  # noqa: E402
from memfactory_core.trace import Episode  # noqa: E402
from memfactory_core.training.advantages import Row, to_rows, with_advantages  # noqa: E402
from memfactory_core.training.arguments import grpo_config  # noqa: E402
from memfactory_core.training.log_probs import score_packed  # noqa: E402
from memfactory_core.training.rows import (  # noqa: E402
    Piece,
    by_beginning,
    by_length,
    to_tensors,
)
from memfactory_core.types import Completion, Example  # noqa: E402

RECIPES = ("memagent-tiny", "memory-r1-tiny", "rmm-tiny")
BOUND_PIECES = 8
"""So many pieces by length has the bound's pass: little of it is padding, whatever pieces a recipe has."""
Times = dict[str, float]
"""Seconds by phase."""


class Ours(Timed):
    """The trainer of a run, which keeps the rows of its last step and what else was said in it."""

    def begin(self) -> None:
        """Forgets what was noted."""
        super().begin()
        self.said: list[list[Completion]] = []

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """The trainer's, timed and noted."""
        self.said.append(super().complete(asks, temperature))
        return self.said[-1]

    def _log_scores(self, mode: str, episodes: Sequence[Episode], equal: int) -> None:
        turns = [turn for episode in episodes for turn in episode.turns]
        self.untrained = [turn.completion for turn in turns if not turn.trainable]
        super()._log_scores(mode, episodes, equal)

    def _batch(self, rows: list[Row]) -> dict[str, Any]:
        self.rows = rows
        return super()._batch(rows)


class Plain:
    """Answers by `model.generate`, whatever faster way the sampler has."""

    def __init__(self, sampler: LanguageModelSampler) -> None:
        self.sampler = sampler
        self.dialect_of = sampler.dialect_of
        self.seconds = 0.0

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask; those with one limit share a batch."""
        began = time.process_time()
        said: dict[int, Completion] = {}
        for limit in {ask.max_tokens for ask in asks}:
            some = [i for i, ask in enumerate(asks) if ask.max_tokens == limit]
            asked = [asks[i] for i in some]
            told = self.sampler.complete_by(self._generate, asked, temperature)
            said |= zip(some, told, strict=True)
        self.seconds += time.process_time() - began
        return [said[i] for i in range(len(asks))]

    def _generate(
        self, prompts: list[list[int]], limits: Limits, temperature: float, guide: Guide | None
    ) -> list[Generated]:
        return LanguageModelSampler.generate(self.sampler, prompts, limits, temperature, guide)


def log_probs(model: Any, piece: Piece) -> torch.Tensor:
    """Log-probabilities (rows, C) of what was said, by the whole softmax."""
    ids = torch.cat([piece["prompt_ids"], piece["completion_ids"]], dim=1)
    mask = torch.cat([piece["prompt_mask"], piece["completion_mask"]], dim=1)
    width = piece["completion_ids"].size(1)
    logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=width + 1).logits[:, :-1]
    chosen = piece["completion_ids"].unsqueeze(-1)
    return logits.float().log_softmax(-1).gather(-1, chosen).squeeze(-1)


def reference_step(config: RunConfig, sampler: Any, examples: Sequence[Example]) -> Times:
    """A step by the reference's schedule."""
    settings, plain, began = config.training, Plain(sampler), time.process_time()
    learning, optimizer = 0.0, torch.optim.AdamW(sampler.model.parameters(), 1e-4)
    for example in examples:
        group = [example] * settings.group_size
        names = [example.id] * len(group)
        played = run_episodes(config.paradigm, plain, group, settings.temperature, names)
        scored = [
            one.model_copy(update={"reward": float(index % 2)})
            for index, one in enumerate(score_all(played, config.reward))
        ]
        rows = to_rows(with_advantages(scored, settings.scale_rewards, settings.negative))
        start = time.process_time()
        piece = to_tensors(rows, len(rows), sampler.tokenizer.pad_token_id)
        with torch.no_grad():
            before = log_probs(sampler.model, piece)
        ratio = (log_probs(sampler.model, piece) - before).exp()
        gain = torch.minimum(ratio, ratio.clamp(1 - settings.clip, 1 + settings.clip))
        loss = -(gain * piece["advantages"][:, None] * piece["completion_mask"]).sum()
        (loss / piece["completion_mask"].sum() / len(examples)).backward()
        learning += time.process_time() - start
    start = time.process_time()
    torch.nn.utils.clip_grad_norm_(sampler.model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    learning += time.process_time() - start
    whole = time.process_time() - began
    return {"sampling": plain.seconds, "learning": learning, "all": whole}


def bound_step(
    sampler: Any, rows: list[Row], untrained: Sequence[Completion], temperature: float
) -> Times:
    """The same prompts to the same texts in one batch, and one pass over the same rows without needless padding."""
    trained = [turn.completion for turn, _ in rows]
    began = time.process_time()
    for one in (trained, untrained):
        say_again(sampler, one, temperature, apart=True)
    sampling = time.process_time() - began
    parts = in_pieces(sampler, rows, BOUND_PIECES)
    began = time.process_time()
    for piece in by_length(parts):
        (log_probs(sampler.model, piece) * piece["completion_mask"]).sum().backward()
    sampler.model.zero_grad()
    learning = time.process_time() - began
    return {"sampling": sampling, "learning": learning, "all": sampling + learning}


def in_pieces(sampler: Any, rows: list[Row], pieces: int) -> list[Piece]:
    """The rows of a step as its pieces."""
    count = -(-len(rows) // pieces) * pieces
    whole = to_tensors(rows, count, sampler.tokenizer.pad_token_id)
    return [{name: value.chunk(pieces)[i] for name, value in whole.items()} for i in range(pieces)]


def lean_step(
    sampler: Any, rows: list[Row], untrained: Sequence[Completion],
    said: Sequence[Sequence[Completion]], pieces: int, temperature: float,
) -> Times:  # fmt: skip
    """The same prompts round by round (`at_once`: in one batch), and one pass over packed rows, factors rounded, that
    takes the products of the decoding."""
    parts, model = in_pieces(sampler, rows, pieces), sampler.model
    trained = [turn.completion for turn, _ in rows]
    began = time.process_time()
    for one in (trained, untrained):
        say_again(sampler, one, temperature)
    at_once = time.process_time() - began
    others = {id(one) for one in untrained}
    began = time.process_time()
    with sampler.remembering():
        for turn in said:
            own = [one for one in turn if id(one) not in others]
            say_again(sampler, own, temperature, products=sampler.products)
            say_again(sampler, [one for one in turn if id(one) in others], temperature)
    sampling = time.process_time() - began
    began = time.process_time()
    for piece in by_beginning(parts):
        ids = torch.cat([piece["prompt_ids"], piece["completion_ids"]], dim=1)
        mask = torch.cat([piece["prompt_mask"], piece["completion_mask"]], dim=1)
        width = piece["completion_ids"].size(1)
        logps, _ = score_packed(
            model, model, ids, mask, width, len(ids), temperature, recall=sampler.recall
        )
        logps.sum().backward()
    model.zero_grad()
    learning = time.process_time() - began
    everything = {"sampling": sampling, "learning": learning, "all": sampling + learning}
    return everything | {"at_once": at_once + learning}


def measure(recipe: str, steps: int, more: Sequence[str] = ()) -> dict[str, Any]:
    """Rounds of the four ways after one that warms up; medians and the ratios' spread."""
    whole = ["training.stages=[]", f"training.steps={steps + 1}"]  # steps of the task as it stands
    config = load(recipe, [*whole, "policy.min_p=0", *more])
    settings = config.training
    plain = load(recipe, [*whole, "policy.min_p=0", *more, "policy.matmul=float32"])
    samplers: list[Any] = [one.policy.load() for one in (config, plain, plain, config)]
    for sampler in samplers:
        sampler.seed(0)
    modules = [module for sampler in samplers[1:3] for module in sampler.model.modules()]
    norms: list[Any] = [module for module in modules if isinstance(module, TinyNorm)]
    for norm in norms:  # reference and bound pass through transformers' layers
        norm.__class__ = Lfm2RMSNorm
    examples = config.task.examples(settings.groups * (steps + 1), 0)
    rounds: list[dict[str, Times]] = []
    counts: list[Times] = []

    class InTurn(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = samplers[0].model.state_dict()
            for sampler in samplers[1:]:  # all ways decode the policy as it stands
                sampler.model.load_state_dict(now)
            self.began = time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now, trainer.now = trainer.now, {}
            said, trainer.said = trainer.said, []
            whole = time.process_time() - self.began
            # TRL makes the episodes inside of its first training step
            ours = {"sampling": now["sampling"], "learning": now["training_step"] - now["episodes"]}
            first = (state.global_step - 1) * settings.groups
            some = examples[first : first + settings.groups]
            counts.append({"rows": now["rows"], "tokens": now["tokens"], "new": now["new_tokens"]})
            rounds.append(
                {
                    "ours": ours | {"all": whole},
                    "reference": reference_step(config, samplers[1], some),
                    "bound": bound_step(
                        samplers[2], trainer.rows, trainer.untrained, settings.temperature
                    ),
                    "lean": lean_step(
                        samplers[3],
                        trainer.rows,
                        trainer.untrained,
                        said,
                        settings.micro_batches,
                        settings.temperature,
                    ),
                }
            )

    with tempfile.TemporaryDirectory() as folder:
        args = grpo_config(
            settings, folder, 0, use_cpu=True, save_strategy="no", **config.policy.training_arguments()
        )  # fmt: skip
        trainer = Ours(
            samplers[0], config.paradigm, examples, config.reward, settings, args,
            callbacks=[InTurn()], **config.policy.trainer_options(samplers[0].model),
        )  # fmt: skip
        trainer.begin()
        keep_freed_memory()  # as a run does
        with collecting_seldom():
            trainer.train()
    return summary(recipe, rounds[1:], counts[1:])


def summary(recipe: str, rounds: list[dict[str, Times]], counts: list[Times]) -> dict[str, Any]:
    """Medians over the rounds, ratios with the least and the most."""
    found: dict[str, Any] = {"recipe": recipe, "rounds": len(rounds)}
    for way in rounds[0]:
        found[way] = {
            f"{phase}_s": round(statistics.median(one[way][phase] for one in rounds), 3)
            for phase in rounds[0][way]
        }
    for name, over, under in (
        ("reference_to_ours", ("reference", "all"), ("ours", "all")),
        ("ours_to_bound", ("ours", "all"), ("bound", "all")),
        ("bound_to_lean", ("bound", "all"), ("lean", "all")),
        ("ours_to_lean", ("ours", "all"), ("lean", "all")),
        ("ours_to_lean_at_once", ("ours", "all"), ("lean", "at_once")),
    ):
        ratios = sorted(one[over[0]][over[1]] / one[under[0]][under[1]] for one in rounds)
        found[name] = [round(r, 2) for r in (statistics.median(ratios), ratios[0], ratios[-1])]
    medians = {key: statistics.median(one[key] for one in counts) for key in counts[0]}
    found |= {key: round(value) for key, value in medians.items()}
    found["new_tokens_per_s"] = round(medians["new"] / found["ours"]["all_s"])
    found["peak_MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument(
        "--steps", type=int, default=3, help="rounds that count, after one that warms up"
    )
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    print(json.dumps(measure(options.recipe, options.steps, options.settings)))
