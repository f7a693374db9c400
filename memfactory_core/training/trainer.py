"""The trainer seam: TRL's GRPO trainer with generation replaced and its pieces sorted.

TRL asks `_generate_and_score_completions` for a batch of scored rows. Here a row is one trainable turn: the
episodes are played in lockstep, scored, compared within their group, and every trainable turn of an
episode carries that episode's advantage. TRL keeps the loss, KL, PEFT, precision, checkpoints, logging and
distribution. Rules, each with its test:

1. Advantages are formed per episode, before turns become rows; else long episodes dominate their group.
2. Rows are padded with loss-masked ones to a multiple of `steps_per_generation` (TRL would drop the rest
   silently) and to the same number on every process.
3. The ids that were sampled are trained on; nothing is encoded again.

Before TRL takes them, the pieces of a batch are sorted by length (`rows.py`).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import use_adapter

from memfactory_core.config import Training
from memfactory_core.episode import run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.language_model import Generated, LanguageModelSampler
from memfactory_core.rewards import Weights, score_all
from memfactory_core.trace import Episode
from memfactory_core.training.rows import by_length
from memfactory_core.types import Example, Turn

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
Row = tuple[Turn, float]
"""A trainable turn with the advantage of its episode."""
OnEpisodes = Callable[[int, list[Episode]], None]
"""Called with the step (counted from 1) and the scored episodes that it learns from."""


def with_advantages(
    episodes: Sequence[Episode], scale: str, negative: float = 1.0
) -> list[Episode]:
    """The episodes with their advantages, in order: reward minus the group's mean, divided by the
    standard deviation of the group or the batch, or not (`scale`: group, batch, none); those below zero are
    weighted by `negative`."""
    groups: dict[str, list[float]] = {}
    for episode in episodes:
        groups.setdefault(episode.group_id, []).append(episode.reward)
    batch_std = statistics.pstdev([episode.reward for episode in episodes])
    result = []
    for episode in episodes:
        rewards_G = groups[episode.group_id]
        advantage = episode.reward - statistics.fmean(rewards_G)
        if scale != "none":
            std = statistics.pstdev(rewards_G) if scale == "group" else batch_std
            advantage /= std + 1e-4
        advantage *= 1.0 if advantage > 0 else negative
        result.append(episode.model_copy(update={"advantage": advantage}))
    return result


def equal_groups(episodes: Sequence[Episode]) -> set[str]:
    """The ids of groups whose episodes all earned the same: they carry no gradient."""
    groups: dict[str, set[float]] = {}
    for episode in episodes:
        groups.setdefault(episode.group_id, set()).add(round(episode.reward, 9))
    return {group for group, rewards in groups.items() if len(rewards) == 1}


def to_rows(episodes: Sequence[Episode], drop_silent: bool = False) -> list[Row]:
    """One row for each trainable turn with sampled ids; `drop_silent` leaves out episodes whose advantage is
    zero."""
    return [
        (turn, episode.advantage)
        for episode in episodes
        if not drop_silent or abs(episode.advantage) > 1e-9
        for turn in episode.turns
        if turn.trainable and turn.completion.completion_ids
    ]


def to_tensors(rows: Sequence[Row], count: int, pad_id: int) -> dict[str, torch.Tensor]:
    """`count` >= len(rows) rows as TRL expects them: prompts padded on the left, completions on the right
    (both int64, shape (count, width), masks alike), advantages float32 (count,). Rows beyond the given
    ones are masked whole, so that they add nothing to a token mean."""
    prompts = [torch.tensor(turn.completion.prompt_ids) for turn, _ in rows]
    completions = [torch.tensor(turn.completion.completion_ids) for turn, _ in rows]
    blank = count - len(rows)
    one = torch.tensor([pad_id])
    lengths = torch.tensor([len(c) for c in completions] + [0] * blank)
    prompts_BP = pad_sequence(
        [*prompts, *[one] * blank], batch_first=True, padding_value=pad_id, padding_side="left"
    )
    completions_BC = pad_sequence(
        [*completions, *[one] * blank], batch_first=True, padding_value=pad_id
    )
    widths = torch.tensor([len(p) for p in prompts] + [1] * blank)
    places_P = torch.arange(prompts_BP.size(1))
    return {
        "prompt_ids": prompts_BP,
        "prompt_mask": (places_P >= prompts_BP.size(1) - widths[:, None]).long(),
        "completion_ids": completions_BC,
        "completion_mask": (torch.arange(completions_BC.size(1)) < lengths[:, None]).long(),
        "advantages": torch.tensor([a for _, a in rows] + [0.0] * blank, dtype=torch.float32),
    }


class MemoryGRPOTrainer(GRPOTrainer):
    """GRPO over whole memory episodes. `examples` are the training examples in the order they are used,
    `weights` the reward's; the rest is as in `trl.GRPOTrainer`."""

    def __init__(
        self,
        sampler: LanguageModelSampler,
        paradigm: Paradigm,
        examples: Sequence[Example],
        weights: Weights,
        settings: Training,
        args: GRPOConfig,
        on_episodes: OnEpisodes | None = None,
        **options: Any,
    ) -> None:
        from datasets import Dataset

        self.paradigm = paradigm
        self.examples = examples
        self.weights = weights
        self.settings = settings
        self.on_episodes = on_episodes
        self.sampler = sampler
        rows = [{"prompt": example.question, "index": i} for i, example in enumerate(examples)]
        super().__init__(
            model=sampler.model,
            reward_funcs=_no_reward,
            args=args,
            train_dataset=Dataset.from_list(rows),
            processing_class=sampler.tokenizer,
            **options,
        )

    @contextmanager
    def _own_generation(self) -> Iterator[None]:
        """Lets a sampler without a way of its own generate by TRL while training episodes are played, and only
        then: evaluations before and after are greedy too, which TRL's sampling is not."""
        if type(self.sampler) is not LanguageModelSampler:
            yield
            return
        self.sampler.generate = self._generate_by_trl
        try:
            yield
        finally:
            del self.sampler.generate

    def keep_checkpoint(self) -> None:
        """Saves the last finished step, from which a run that is stopped now can be resumed."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if self.state.global_step and not (folder / "trainer_state.json").exists():
            self._save_checkpoint(self.model, trial=None)

    def _generate_by_trl(
        self, prompts: list[list[int]], max_tokens: int, temperature: float
    ) -> list[Generated]:
        """TRL's own generation (transformers or vLLM). The last argument is 1 because the prompts of a group
        differ after the first turn; vLLM's server mode would otherwise take one for all."""
        self.generation_config.max_new_tokens = max_tokens
        self.generation_config.temperature = temperature
        ids, logprobs = self._generate_single_turn(prompts, None, {}, 1)
        return [
            Generated(sequence, logprobs[i] if logprobs else None) for i, sequence in enumerate(ids)
        ]

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        # "bnpo" divides by each piece's own tokens: there the pieces must stay mixed
        if self._buffered_inputs is before or self.args.loss_type == "bnpo":
            return inputs
        self._buffered_inputs = by_length(self._buffered_inputs)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        mode = "train" if self.model.training else "eval"
        examples = [self.examples[row["index"]] for row in inputs]
        step = self.state.global_step + 1
        groups = [f"{step}-{example.id}" for example in examples]
        with self._own_generation():
            played = run_episodes(
                self.paradigm, self.sampler, examples, self.settings.temperature, groups
            )
        self.model.train(mode == "train")
        episodes = score_all(played, self.weights)
        self._check_groups(episodes)
        episodes = with_advantages(episodes, self.settings.scale_rewards, self.settings.negative)
        if self.on_episodes:
            self.on_episodes(step, episodes)
        equal = equal_groups(episodes)
        self._log_scores(mode, episodes, len(equal))
        needed_whole = bool(self.beta or self.settings.entropy)
        rows = to_rows(episodes, self.settings.drop_silent and not needed_whole)
        return self._batch(rows)

    def _batch(self, rows: list[Row]) -> dict[str, Any]:
        device = self.accelerator.device
        pieces = self.args.steps_per_generation
        needed = max(pieces, -(-len(rows) // pieces) * pieces)
        counts = self.accelerator.gather(torch.tensor([needed], device=device))
        batch = {
            name: tensor.to(device)
            for name, tensor in to_tensors(
                rows, int(counts.max()), self._tokenizer.pad_token_id
            ).items()
        }
        batch["num_items_in_batch"] = self.accelerator.gather(batch["completion_mask"].sum()).sum()
        ids_BT = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask_BT = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        width = batch["completion_ids"].size(1)
        reused = self.settings.reuse > 1 or (
            self.args.gradient_accumulation_steps % self.args.steps_per_generation
        )
        size = -(-ids_BT.size(0) // pieces)
        with torch.no_grad():
            if reused:
                batch["old_per_token_logps"] = self._logps(self.model, ids_BT, mask_BT, width, size)
            if self.beta:
                batch["ref_per_token_logps"] = self._reference_logps(ids_BT, mask_BT, width, size)
        return batch

    def _logps(
        self, model: Any, ids_BT: torch.Tensor, mask_BT: torch.Tensor, width: int, size: int
    ) -> torch.Tensor:
        return self._get_per_token_logps_and_entropies(model, ids_BT, mask_BT, width, size)[0]

    def _reference_logps(
        self, ids_BT: torch.Tensor, mask_BT: torch.Tensor, width: int, size: int
    ) -> torch.Tensor:
        if self.ref_model is not None:
            return self._logps(self.ref_model, ids_BT, mask_BT, width, size)
        inner = self.accelerator.unwrap_model(self.model)
        # TRL keeps a copy of adapters that were trained before; new ones start at nothing
        with use_adapter(inner, "ref" if "ref" in inner.peft_config else None):
            return self._logps(self.model, ids_BT, mask_BT, width, size)

    def _check_groups(self, episodes: Sequence[Episode]) -> None:
        sizes: dict[str, int] = {}
        for episode in episodes:
            sizes[episode.group_id] = sizes.get(episode.group_id, 0) + 1
        if set(sizes.values()) != {self.num_generations} and self.model.training:
            raise ValueError(
                f"groups were split between processes ({sizes}): choose training.groups as a multiple "
                f"of the number of processes ({self.accelerator.num_processes})"
            )

    def _log_scores(self, mode: str, episodes: Sequence[Episode], equal: int) -> None:
        values: dict[str, list[float]] = {"reward": [episode.reward for episode in episodes]}
        for episode in episodes:
            for name, value in episode.scores.items():
                values.setdefault(f"score/{name}", []).append(value)
        for name, numbers in values.items():
            self._metrics[mode][name].append(statistics.fmean(numbers))
        groups = len({episode.group_id for episode in episodes})
        self._metrics[mode]["equal_groups"].append(equal / groups)


def _no_reward(**_: Any) -> list[float]:
    """TRL insists on a reward function; episodes are scored before it would be asked."""
    raise RuntimeError("episodes are scored by memfactory_core.rewards, never by TRL")


def grpo_config(settings: Training, folder: str, seed: int, **more: Any) -> GRPOConfig:
    """TRL's configuration for these settings: one generation of `groups` x `group_size` episodes per
    optimizer step, in `micro_batches` pieces."""
    episodes = settings.groups * settings.group_size
    if episodes % settings.micro_batches:
        raise ValueError(
            f"training.micro_batches ({settings.micro_batches}) must divide groups x group_size ({episodes})"
        )
    options: dict[str, Any] = {
        "output_dir": folder,
        "seed": seed,
        "per_device_train_batch_size": episodes // settings.micro_batches,
        "gradient_accumulation_steps": settings.micro_batches,
        "steps_per_generation": settings.micro_batches,
        "num_generations": settings.group_size,
        "num_iterations": settings.reuse,
        "max_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": SCHEDULES[settings.schedule],
        "warmup_steps": settings.warmup_steps,
        "temperature": settings.temperature,
        "beta": settings.beta,
        "loss_type": settings.loss,
        "epsilon": settings.clip,
        "entropy_coef": settings.entropy,
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "report_to": [],
        "bf16": False,
        "gradient_checkpointing": False,
        "shuffle_dataset": False,
        "disable_tqdm": True,
        "max_grad_norm": 1.0,
        "adam_beta2": 0.98,
        "weight_decay": 0.0,
        "save_only_model": False,
        "dataloader_pin_memory": False,
    }
    return GRPOConfig(**(options | more))
