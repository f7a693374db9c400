"""A language model that generates by transformers' continuous batching (`policy.engine = "continuous"`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from memfactory_core.episode import Ask
from memfactory_core.errors import ConfigError
from memfactory_core.policies.language_model import Generated, LanguageModelSampler
from memfactory_core.types import Completion

PAGED = {"full_attention", "sliding_attention"}
"""Layers whose memory the engine keeps in pages."""


class ContinuousSampler(LanguageModelSampler):
    """Answers by continuous batching, all asks at once. What is held to copying or heard token by token is generated
    as its base does: the engine shows nobody a token before the answer has ended."""

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask, each with its own limit."""
        held = [i for i, ask in enumerate(asks) if ask.copied is not None]
        free = [i for i, ask in enumerate(asks) if ask.copied is None]
        results = dict(
            zip(held, super().complete([asks[i] for i in held], temperature), strict=True)
        )
        prompts = self.template.encode_each([asks[i].messages for i in free])
        said = self._decode_rows(prompts, [asks[i].max_tokens for i in free], temperature)
        for i, prompt, one in zip(free, prompts, said, strict=True):
            results[i] = self._completion(prompt, one, asks[i])
        return [results[i] for i in range(len(asks))]

    def _decode_rows(
        self, prompts: list[list[int]], limits: list[int], temperature: float
    ) -> list[Generated]:
        from memfactory_core.policies.sharing.continuous import decode_continuous

        with self.speaking():
            said = decode_continuous(
                self.model, prompts, limits, temperature, self.end_ids, self.batch_size,
                self.batch_tokens, self.half,
            )  # fmt: skip
        return [Generated(ids, logprobs) for ids, logprobs in said]

    def try_out(self) -> None:
        """PolicyError where the engine does not fit the model."""
        from memfactory_core.policies.sharing.continuous import try_out

        with self.speaking():
            try_out(self.model, self.half)


def require_pages(name: str, folder: Path) -> None:
    """ConfigError where the settings of a model in a folder name layers that the engine cannot keep in pages. What the
    settings do not tell is found out when the model is loaded."""
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # loading it says what is wrong with it
    whole = settings if isinstance(settings, dict) else {}
    text = whole.get("text_config") or whole
    layers = text.get("layer_types") if isinstance(text, dict) else None
    if others := sorted(set(map(str, layers if isinstance(layers, list) else ())) - PAGED):
        raise ConfigError(
            f"policy.engine 'continuous' knows attention alone, and the model {name!r} has other layers "
            f"({', '.join(others)}): set policy.engine to 'transformers'"
        )
