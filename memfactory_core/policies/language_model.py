"""A causal language model as a sampler: chat template, generation, exact ids and log-probabilities.

The ids that were sampled are kept as they are: nothing is decoded and encoded again, and no end token is
added that was not sampled. Who has another way to generate (the trainer: TRL, vLLM) gives it to `complete_by`.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from memfactory_core.dialects import Dialect
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.dialects.thinking import OPENED, set_apart
from memfactory_core.episode import Ask, Heard, Sampler
from memfactory_core.policies.chat_template import ChatTemplate
from memfactory_core.policies.copying import Copier, Guide
from memfactory_core.types import Completion

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from memfactory_core.policies.sharing.packing import Packed


class Generated(NamedTuple):
    """One sampled sequence: its ids (an end token only if sampled) and, where known, their log-probs under the
    distribution they were drawn from, and the ids which that distribution was cut to (None: all)."""

    ids: list[int]
    logprobs: list[float] | None
    kept: list[list[int]] | None = None

    def first(self, count: int) -> Generated:
        """Its first tokens."""
        logprobs, kept = self.logprobs, self.kept
        return Generated(self.ids[:count], logprobs and logprobs[:count], kept and kept[:count])


GoOn = Callable[[list[int]], bool]
"""Is told the ids of a sequence so far; False where it shall end."""
Limits = int | list[int]
"""The most new tokens, for all prompts or for each; several only where the sampler `mixes_limits`."""
Generate = Callable[[list[list[int]], Limits, float, Guide | None], list[Generated]]
"""One sequence for each prompt (token ids), of at most so many new tokens, at a temperature, held to what the guide
allows."""


class LanguageModelSampler(Sampler):
    """A transformers model and its tokenizer behind the `Sampler` contract."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int = 64
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.batch_tokens = 65_536
        self.share_prompts = True
        self.half = False
        """Whether what it computes is in bfloat16 though weights are in float32."""
        self.template = ChatTemplate(tokenizer)
        self.dialect: Dialect = Quoted()
        self.lock = threading.RLock()
        """Who generates holds it: a generation changes the model's mode and attention for its length."""
        ends = model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self.end_ids = {end for end in [*ends, tokenizer.eos_token_id] if end is not None}

    mixes_limits: ClassVar[bool] = False
    """Whether asks with several length limits share a batch."""

    def encode(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """The prompt's ids through the chat template. PolicyError where the template refuses the messages."""
        return self.template.encode_each([messages])[0]

    def encode_completion(self, text: str) -> list[int]:
        """The ids of a whole completion, as they would have been sampled: the text, then the token that ends a turn."""
        return [*self._encode_said([text])[0], self.end_id]

    @cached_property
    def end_id(self) -> int:
        """The token that the chat template ends the assistant's turn with; the tokenizer's own where the template
        shows none that ends a generation."""
        ends = [token for token in self.template.closing if token in self.end_ids]
        return ends[0] if ends else self.tokenizer.eos_token_id

    @property
    def window(self) -> int | None:
        """How many tokens the model reads at most, its answer included; None where its settings do not say."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def seed(self, seed: int) -> None:
        """`model.generate` draws from torch's global generators, so these are seeded."""
        import torch

        torch.manual_seed(seed)

    def dialect_of(self, role: str) -> Dialect:
        """The policy's dialect, whatever the role."""
        return self.dialect

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask, of at most as many tokens as it may have."""
        return self.complete_by(self.generate, asks, temperature)

    def stream(self, ask: Ask, temperature: float, heard: Heard) -> Completion:
        """One ask, heard token by token."""

        def go_on(ids: list[int]) -> bool:
            shown = [i for i in ids if i not in self.end_ids]
            # each text is asked for once: the ones that are kept are those of attempts
            text = self.tokenizer.decode(shown, clean_up_tokenization_spaces=False)
            return heard(str(text).strip())

        def generate(
            prompts: list[list[int]], limits: Limits, temperature: float, guide: Guide | None
        ) -> list[Generated]:
            return self.generate(prompts, limits, temperature, guide, go_on)

        return self.complete_by(generate, [ask], temperature)[0]

    def complete_by(
        self, generate: Generate, asks: Sequence[Ask], temperature: float
    ) -> list[Completion]:
        """As `complete`, with sequences from `generate`."""
        results: list[Completion | None] = [None] * len(asks)
        together: dict[int, list[int]] = {}
        most = max((ask.max_tokens for ask in asks), default=0)
        for i, ask in enumerate(asks):
            together.setdefault(most if self.mixes_limits else ask.max_tokens, []).append(i)
        for limit, chosen in sorted(together.items()):
            prompts = self.template.encode_each([asks[i].messages for i in chosen])
            for batch in self._batches(prompts, limit):
                guide = self._guide([asks[chosen[j]] for j in batch])
                limits = [asks[chosen[j]].max_tokens for j in batch]
                sampled = generate([prompts[j] for j in batch], limits, temperature, guide)
                for j, sequence in zip(batch, sampled, strict=True):
                    results[chosen[j]] = self._completion(prompts[j], sequence, asks[chosen[j]])
        return [result for result in results if result is not None]

    def _guide(self, asks: Sequence[Ask]) -> Guide | None:
        """What holds these asks to copying, where one of them is to."""
        if all(ask.copied is None for ask in asks):
            return None
        start = self._copier.start
        return Guide([start(a.copied, a.max_tokens) if a.copied else None for a in asks])

    @cached_property
    def _copier(self) -> Copier:
        return Copier(self._encode_said, self._decode_said, self.end_ids)

    def _decode_said(self, ids: list[int]) -> str:
        return self._decode(tuple(ids), False)

    def _encode_said(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True
        )["input_ids"]
        return ids

    def _batches(self, prompts: list[list[int]], limit: int) -> Iterator[list[int]]:
        """Which prompts are sampled together: neighbours of one length waste the least on padding, neighbours by
        their first tokens share the most. A batch has at most `batch_size` rows and `batch_tokens` tokens, those
        that its rows may still say included."""
        order = sorted(range(len(prompts)), key=lambda j: len(prompts[j]))
        if self.shares:
            order.sort(key=prompts.__getitem__)
        batch: list[int] = []
        longest = 0
        for j in order:
            longest = max(longest, len(prompts[j]))
            full = (len(batch) + 1) * (longest + limit) > self.batch_tokens
            if batch and (full or len(batch) == self.batch_size):
                yield batch
                batch, longest = [], len(prompts[j])
            batch.append(j)
        if batch:
            yield batch

    def _completion(self, prompt: list[int], sequence: Generated, ask: Ask) -> Completion:
        whole = self._whole(prompt, sequence, ask.copied is not None)
        told = set_apart(whole)
        before, stop, after = told.text.partition(ask.stop) if ask.stop else ("", "", "")
        if not stop:
            return whole
        if not after.strip():
            return whole.model_copy(update={"finish_reason": "stop"})
        wanted = (before + stop).rstrip()

        def is_said(count: int) -> bool:
            some = set_apart(self._whole(prompt, sequence.first(count), ask.copied is not None))
            # until the thinking has ended it may look like what is said
            return some.thinking == told.thinking and some.text.startswith(wanted)

        count = bisect_left(range(len(sequence.ids) + 1), True, key=is_said)
        said = self._whole(prompt, sequence.first(count), ask.copied is not None)
        more = set_apart(said).text[len(wanted) :]  # of a token that holds the stop and more
        text = said.text.removesuffix(more)
        return said.model_copy(update={"text": text, "finish_reason": "stop"})

    def _whole(self, prompt: list[int], sequence: Generated, copied: bool) -> Completion:
        ended = bool(sequence.ids) and sequence.ids[-1] in self.end_ids
        shown = sequence.ids[:-1] if ended else sequence.ids
        text = self._decode_said(shown).strip()
        # a template may open the thinking; cut off before its end, the output would not tell. What is copied is said
        # without any
        opened = None if copied else OPENED.search(self._decode(tuple(prompt[-16:]), None))
        return Completion(
            text=f"{opened[0].strip()}{text}" if opened else text,
            prompt_ids=tuple(prompt),
            completion_ids=tuple(sequence.ids),
            logprobs=None if sequence.logprobs is None else tuple(sequence.logprobs),
            kept=None if sequence.kept is None else tuple(map(tuple, sequence.kept)),
            finish_reason="stop" if ended else "length",
        )

    @cached_property
    def _decode(self) -> Callable[[tuple[int, ...], bool | None], str]:
        """The text of ids, cleaned up (None: as the tokenizer does). Attempts end and say much the same."""

        tokenizer = self.tokenizer  # not the sampler: it would hold itself

        def decode(ids: tuple[int, ...], cleans: bool | None) -> str:
            # of a batch it would be a list of texts
            return cast(str, tokenizer.decode([*ids], clean_up_tokenization_spaces=cleans))

        return lru_cache(maxsize=1024)(decode)

    @cached_property
    def shares(self) -> bool:
        """Whether generation computes once what prompts have in common: exact for its model."""
        from memfactory_core.policies.sharing.shared_attention import can_stream, without_adapters

        return self.packs and can_stream(without_adapters(self.model))

    @cached_property
    def packs(self) -> bool:
        """Whether training computes once what rows have in common: exact for its model."""
        from memfactory_core.policies.sharing.shared_attention import can_share, without_adapters

        with self.lock:
            return self.share_prompts and can_share(without_adapters(self.model))

    def generate(
        self,
        prompts: list[list[int]],
        max_tokens: Limits,
        temperature: float,
        guide: Guide | None = None,
        go_on: GoOn | None = None,
    ) -> list[Generated]:
        """One sequence for each prompt (token ids), of at most `max_tokens` new tokens, on the model's own device: by
        `decoding.py` where that is exact, else by `model.generate`, held to what `guide` allows. `go_on` is asked after
        each token of the first sequence and ends all where it says no."""
        import torch

        with (
            self.speaking(),
            torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.half),
        ):
            by = self._generate_shared if self.shares else self._generate_padded
            most = max_tokens if isinstance(max_tokens, int) else max(max_tokens)
            return by(prompts, most, temperature, guide, go_on)

    def remembering(self) -> AbstractContextManager[None]:
        """While this lasts, a sampler may keep what it computes for what is learned from it."""
        return nullcontext()

    def recall(self, packed: Packed) -> AbstractContextManager[None]:
        """While this lasts, the model may take from there what it would compute of a packed sequence."""
        return nullcontext()

    def forget(self) -> None:
        """Lets go what was kept for that."""

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """The model is this thread's alone and in its mode for evaluation."""
        with self.lock:
            training = self.model.training
            self.model.eval()
            try:
                yield
            finally:
                self.model.train(training)

    def _generate_shared(
        self, prompts: list[list[int]], max_tokens: int, temperature: float, guide: Guide | None,
        go_on: GoOn | None,
    ) -> list[Generated]:  # fmt: skip
        from memfactory_core.policies.sharing.decoding import decode
        from memfactory_core.policies.sharing.shared_attention import without_adapters

        inner = without_adapters(self.model)
        said = decode(inner, prompts, max_tokens, temperature, self.end_ids, guide, go_on)
        return [
            Generated(ids, logprobs, guide.kept(row) if guide else None)
            for row, (ids, logprobs) in enumerate(said)
        ]

    def _generate_padded(
        self, prompts: list[list[int]], max_tokens: int, temperature: float, guide: Guide | None,
        go_on: GoOn | None,
    ) -> list[Generated]:  # fmt: skip
        from memfactory_core.policies.sharing.padded import decode_padded

        pad = self.tokenizer.pad_token_id
        pad = self.tokenizer.eos_token_id if pad is None else pad
        said = decode_padded(self.model, prompts, max_tokens, temperature, pad, guide, go_on)
        return [self._cut(Generated(*one)) for one in said]

    def _cut(self, drawn: Generated) -> Generated:
        ids = drawn.ids
        end = next((i + 1 for i, token in enumerate(ids) if token in self.end_ids), len(ids))
        return Generated(ids[:end], (drawn.logprobs or [])[:end], drawn.kept)
