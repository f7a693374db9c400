"""The trainer seam: TRL's GRPO trainer with generation replaced, its pieces sorted and its sums made those of a step.

TRL asks `_generate_and_score_completions` for a batch of scored rows. Here a row is a trainable turn: episodes are
played in lockstep, scored and compared within their group, and each of their trainable turns carries their advantage.
TRL keeps the ratio, the clip, KL, PEFT, checkpoints, logging and distribution. Rules, each with its test:

1. Advantages are formed per episode, before turns become rows; else long episodes dominate their group.
2. Rows are padded with loss-masked ones to a multiple of `steps_per_generation` (TRL would drop the rest
   silently) and to the same number on every process; they count in no mean.
3. The ids that were sampled are trained on, under the distribution that they were drawn from (`log_probs.py`);
   the log-probs of the drawing are the denominator of the ratio.
4. Loss and entropy bonus do not depend on how the rows are cut into pieces.
5. Pieces of a batch are sorted by length, or by beginning where prompts are shared (`rows.py`), before TRL takes them.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object, send_to_device
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import use_adapter

from memfactory_core.dialects import Dialect
from memfactory_core.episode import Ask
from memfactory_core.errors import RunError
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.continuous import ContinuousSampler
from memfactory_core.policies.copying import Guide
from memfactory_core.policies.language_model import Generated, LanguageModelSampler
from memfactory_core.policies.reinforcement import Training
from memfactory_core.policies.roles import Complete, RoleSampler
from memfactory_core.policies.sharing import shared_attention as attention
from memfactory_core.rewards import Weights, score_all
from memfactory_core.trace import Episode
from memfactory_core.training import generators
from memfactory_core.training.advantages import Row, advantages_of_step, equal_groups, to_rows
from memfactory_core.training.attempts import play_attempts
from memfactory_core.training.log_probs import importance_ratio, score_kept, score_packed
from memfactory_core.training.rows import by_beginning, by_length, to_tensors
from memfactory_core.types import Completion, Example

DRAWS = "draws-{}.pt"
"""The file of a checkpoint that says how the samplers of a process go on."""
OnEpisodes = Callable[[int, list[Episode]], None]
"""Called with the step (counted from 1) and the scored episodes that it learns from."""


class MemoryGRPOTrainer(GRPOTrainer):
    """GRPO over whole memory episodes. `examples` are the training examples in the order they are used,
    `weights` the reward's, `paradigm_at` the paradigm of a step where not all have one; the rest is as in
    `trl.GRPOTrainer`."""

    model: torch.nn.Module
    args: Any  # a GRPOConfig; its fields may be None by their types, but TRL has filled them in by now

    def __init__(
        self,
        sampler: LanguageModelSampler | RoleSampler,
        paradigm: Paradigm,
        examples: Sequence[Example],
        weights: Weights,
        settings: Training,
        args: GRPOConfig,
        on_episodes: OnEpisodes | None = None,
        paradigm_at: Callable[[int], Paradigm] | None = None,
        **options: Any,
    ) -> None:
        from datasets import Dataset

        self.paradigm_at = paradigm_at or (lambda step: paradigm)
        self.examples, self.weights, self.settings = examples, weights, settings
        self.on_episodes = on_episodes
        self.players = sampler if isinstance(sampler, RoleSampler) else RoleSampler(sampler, {})
        own = self.players.own
        if not isinstance(own, LanguageModelSampler):
            raise RunError("only a language model can be trained: choose a policy that is one")
        self.sampler = own
        self._boundary: tuple[int, dict[str, Any], dict[str, Any]] | None = None
        self._piece: dict[str, Any] = {}
        rows = [{"prompt": example.question, "index": i} for i, example in enumerate(examples)]
        super().__init__(
            model=self.sampler.model,
            reward_funcs=_no_reward,
            args=args,
            train_dataset=Dataset.from_list(rows),
            processing_class=self.sampler.tokenizer,
            **options,
        )

    @cached_property
    def shares(self) -> bool:
        """Whether what rows have in common is computed once: exact for the model, and its weights lie here whole."""
        return not self._splits() and self.sampler.packs

    def _splits(self) -> bool:
        return bool(self.is_deepspeed_enabled or self.is_fsdp_enabled or self.use_vllm)

    def training_step(self, *inputs: Any) -> torch.Tensor:
        """TRL's; checkpointed activations are computed again in the backward pass, with the attention of the first."""
        shared = attention.shared_attention(self.sampler.model) if self.shares else nullcontext()
        with shared:
            return super().training_step(*inputs)

    def keep_checkpoint(self) -> None:
        """Saves the last finished step, from which a run that is stopped now can be resumed: its generators go back
        to where that step ended, for the next one has drawn already."""
        if not self.state.global_step or (self._checkpoint / "trainer_state.json").exists():
            return
        if self._boundary and self._boundary[0] == self.state.global_step:
            generators.restore(self._boundary[1])
            self.players.restore(self._boundary[2])
        self._save_checkpoint(self.model, trial=None)

    @property
    def _checkpoint(self) -> Path:
        return Path(self._get_output_dir(trial=None)) / f"checkpoint-{self.state.global_step}"

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL saves the process's generators; beside them belong the samplers' own, and a batch of episodes that
        serves further steps. They are written first: a checkpoint is whole once the trainer's state is there."""
        again = self._step % (self.args.steps_per_generation * self.num_iterations)
        batch = self._buffered_inputs if again else None
        kept = {"players": self.players.state(), "piece": self._step, "batch": batch}
        self._checkpoint.mkdir(parents=True, exist_ok=True)
        torch.save(kept, self._checkpoint / DRAWS.format(self.accelerator.process_index))
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # it is whole when each process has written its part

    def restore_draws(self, checkpoint: Path) -> bool:
        """Lets the samplers go on from a checkpoint; False where it holds nothing about them (it was written by
        version 0.1)."""
        path = checkpoint / DRAWS.format(self.accelerator.process_index)
        if not path.exists():
            return False
        kept = torch.load(path, map_location="cpu", weights_only=True)
        self.players.restore(kept["players"])
        self._step = kept["piece"]
        self._buffered_inputs = send_to_device(kept["batch"], self.accelerator.device)
        return True

    def _generate_by_trl(
        self, prompts: list[list[int]], limits: int | list[int], temperature: float, guide: Guide | None
    ) -> list[Generated]:  # fmt: skip
        """TRL's own generation (transformers or vLLM), which cannot be guided. Its last argument is 1: the prompts of
        a group differ after the first turn, and vLLM's server mode would otherwise take one for all."""
        if guide and self._splits():
            raise RunError("updater.writes = 'copied' needs a whole model: set it to 'free'")
        if guide:
            return self.sampler.generate(prompts, limits, temperature, guide)
        most = [limits] if isinstance(limits, int) else limits
        self.generation_config.max_new_tokens = max(most)
        self.generation_config.temperature = temperature
        with attention.own_attention(self.sampler.model):
            ids, logps = self._generate_single_turn(prompts, None, {}, 1)
        return [Generated(said, logps[i] if logps else None) for i, said in enumerate(ids)]

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is before:
            return inputs
        # TRL gathers a figure of each row: the processes' pieces have as many
        together = partial(by_beginning, alike=self.accelerator.num_processes > 1)
        self._buffered_inputs = (together if self.shares else by_length)(self._buffered_inputs)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        mode = "train" if self.model.training else "eval"
        examples = [self.examples[row["index"]] for row in inputs]
        step = self.state.global_step + 1
        self._boundary = step - 1, generators.capture(), self.players.state()
        paradigm = self.paradigm_at(step)
        with self.sampler.remembering() if self.shares else nullcontext():
            played = play_attempts(paradigm, self, examples, self.settings, step, self.args.seed)
        if not any(turn.trainable for episode in played for turn in episode.turns):
            raise RunError(
                f"nothing is trained: paradigm.trains is {paradigm.trains!r}, and no turn of these episodes is "
                f"of that kind and without a policy of its own (roles: {', '.join(self.players.others) or 'none'})"
            )
        self.model.train(mode == "train")
        judge = self.players.judge
        episodes = score_all(judge.judge(played) if judge else played, self.weights)
        self._check_groups(episodes)
        # every process hears of all attempts; each learns from its own
        everyone = gather_object(episodes)
        everyone = advantages_of_step(everyone, self.settings, step, self.args.seed)
        first = self.accelerator.process_index * len(episodes)
        episodes = everyone[first : first + len(episodes)]
        if self.on_episodes:
            self.on_episodes(step, everyone)
        self._log_scores(mode, everyone, len(equal_groups(everyone)))
        needed_whole = bool(self.beta or self.settings.entropy)
        rows = to_rows(episodes, self.settings.drop_silent and not needed_whole)
        return self._batch(rows)

    def dialect_of(self, role: str) -> Dialect:
        """The dialect of the role's policy."""
        return self.players.dialect_of(role)

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """The asks of training episodes, answered by the policy as it stands and by those of other roles. Only here
        a sampler without a way of its own generates through TRL, which is never greedy as evaluations are."""
        own: Complete = self.sampler.complete
        if (splits := self._splits()) and isinstance(self.sampler, ContinuousSampler):
            raise RunError("policy.engine 'continuous' needs a whole model: take 'transformers'")
        if type(self.sampler) is LanguageModelSampler and (splits or not self.sampler.shares):
            own = partial(self.sampler.complete_by, self._generate_by_trl)
        return self.players.complete_by(own, asks, temperature)

    def _batch(self, rows: list[Row]) -> dict[str, Any]:
        device, pieces = self.accelerator.device, self.args.steps_per_generation
        needed = max(pieces, -(-len(rows) // pieces) * pieces)
        recorded = all(turn.completion.logprobs is not None for turn, _ in rows)
        here = torch.tensor([needed, len(rows), recorded], device=device)
        everywhere = self.accelerator.gather(here).view(-1, 3)
        tensors = to_tensors(rows, int(everywhere[:, 0].max()), self._tokenizer.pad_token_id)
        batch = {name: tensor.to(device) for name, tensor in tensors.items()}
        if not everywhere[:, 2].all():  # all processes take one way through the model
            batch.pop("sampled_logps", None)
        tokens = batch["completion_mask"].sum()
        batch["num_items_in_batch"] = self.accelerator.gather(tokens).sum()
        batch["tokens_here"] = tokens
        batch["rows_in_step"] = everywhere[:, 1].sum()
        self._add_log_probs(batch, -(-len(batch["advantages"]) // pieces))
        return batch

    def _add_log_probs(self, batch: dict[str, Any], size: int) -> None:
        """Adds what the loss compares the policy with, `size` rows at once: as it drew, and as it was at the start."""
        ids_BT = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask_BT = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        width, sampled = batch["completion_ids"].size(1), batch.pop("sampled_logps", None)
        self._piece = {"kept_ids": batch.get("kept_ids")}
        reused = self.settings.reuse > 1 or (
            self.args.gradient_accumulation_steps % self.args.steps_per_generation
        )
        corrected = self.use_vllm and self.vllm_importance_sampling_correction
        with torch.no_grad():
            if corrected or (reused and sampled is None):
                batch["old_per_token_logps"] = self._logps(self.model, ids_BT, mask_BT, width, size)
            elif sampled is not None:
                batch["old_per_token_logps"] = sampled
            if corrected:
                # another engine drew: the ratio starts at 1 for the trained model's own log-probs, and the
                # difference of the engines is a weight, as in TRL's own batches
                batch["sampling_per_token_logps"] = sampled
                batch["importance_sampling_ratio"] = importance_ratio(
                    batch["old_per_token_logps"], sampled, batch["completion_mask"],
                    self.vllm_importance_sampling_mode, self.vllm_importance_sampling_clip_min,
                    self.vllm_importance_sampling_clip_max,
                )  # fmt: skip
            if self.beta:
                batch["ref_per_token_logps"] = self._reference_logps(ids_BT, mask_BT, width, size)

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

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int,
        batch_size: int | None = None, compute_entropy: bool = False, compute_aux_loss: bool = False, **inputs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:  # fmt: skip
        """TRL's one place where a model gives log-probs, for the loss, the old policy and the reference alike. The
        kept ids of the piece at hand decide where the draw was cut; rows are packed where that is exact."""
        kept_BCK = self._piece.get("kept_ids")
        aux, size = None, batch_size or len(input_ids)
        if self.shares:
            inner = attention.without_adapters(self.accelerator.unwrap_model(model))
            with self.accelerator.autocast():
                logps, entropies = score_packed(
                    model, inner, input_ids, attention_mask, logits_to_keep, size, self.temperature, kept_BCK,
                    self.sampler.recall,
                )  # fmt: skip
        elif kept_BCK is None:
            logps, entropies, aux = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy,
                compute_aux_loss, **inputs,
            )  # fmt: skip
        else:
            with self.accelerator.autocast():
                logps, entropies, aux = score_kept(
                    model, input_ids, attention_mask, kept_BCK, self.temperature, size, compute_aux_loss
                )  # fmt: skip
        self._piece["entropies"] = entropies
        return logps, entropies, aux

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """TRL's loss of one piece, scaled so that the pieces of a step add up to one mean over its real rows
        (grpo, dr_grpo), its tokens (dapo) or this process's tokens (bnpo), less the entropy bonus: the mean over
        the step's tokens. TRL takes each of these over a piece, padding rows included."""
        self._piece = dict(inputs)
        loss = super().compute_loss(model, self._piece, return_outputs, num_items_in_batch)
        mask_BC = inputs["completion_mask"]
        pieces, processes = self.args.gradient_accumulation_steps, self.accelerator.num_processes
        if self.loss_type in ("grpo", "dr_grpo"):
            loss = loss * len(mask_BC) * pieces * processes / inputs["rows_in_step"].clamp(min=1)
        elif self.loss_type == "bnpo":
            loss = loss * mask_BC.sum() * pieces / inputs["tokens_here"].clamp(min=1)
        if self.settings.entropy:
            total = (self._piece["entropies"] * mask_BC).sum() * processes
            bonus = total / inputs["num_items_in_batch"].clamp(min=1)
            loss = loss - self.settings.entropy * bonus
        self._piece = {}
        return loss

    def _check_groups(self, episodes: Sequence[Episode]) -> None:
        sizes = dict(Counter(episode.group_id for episode in episodes))
        if set(sizes.values()) != {self.num_generations} and self.model.training:
            raise ValueError(
                f"groups were split between processes ({sizes}): choose training.groups as a multiple "
                f"of the number of processes ({self.accelerator.num_processes})"
            )

    def _log_scores(self, mode: str, episodes: Sequence[Episode], equal: int) -> None:
        counted = [episode for episode in episodes if not episode.dropped]
        values: dict[str, list[float]] = {"reward": [episode.reward for episode in counted]}
        for episode in counted:
            for name, value in episode.scores.items():
                values.setdefault(f"score/{name}", []).append(value)
        if self.players.judge:
            values["dropped"] = [float(episode.dropped) for episode in episodes]
        for name, numbers in values.items():
            if numbers:
                self._metrics[mode][name].append(statistics.fmean(numbers))
        self._metrics[mode]["equal_groups"].append(equal / len({e.group_id for e in episodes}))


def _no_reward(**_: Any) -> list[float | None]:
    """TRL insists on a reward function; episodes are scored before it would be asked."""
    raise RuntimeError("episodes are scored by memfactory_core.rewards, never by TRL")
