"""Token by token: how likely a policy was to say what it said, beside another one."""

from __future__ import annotations

from collections.abc import Sequence

from memfactory_core.errors import PolicyError
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.types import Record, Turn


class Token(Record):
    """One sampled token and its log-probability (nats, temperature 1) under two policies."""

    text: str
    now: float
    start: float


def compare_tokens(
    turn: Turn, now: LanguageModelSampler, start: LanguageModelSampler
) -> list[Token]:
    """The sampled tokens of a turn under two policies with one tokenizer. PolicyError where the turn has no
    token ids (its policy was not a language model)."""
    prompt, ids = turn.completion.prompt_ids, turn.completion.completion_ids
    if not ids or prompt is None:
        raise PolicyError("this turn has no tokens: its policy was not a language model")
    logps_now, logps_start = (_logps(policy, prompt, ids) for policy in (now, start))
    texts = [now.tokenizer.decode([token]) for token in ids]
    return [
        Token(text=text, now=a, start=b)
        for text, a, b in zip(texts, logps_now, logps_start, strict=True)
    ]


def _logps(policy: LanguageModelSampler, prompt: Sequence[int], said: Sequence[int]) -> list[float]:
    import torch

    ids_1T = torch.tensor([[*prompt, *said]], device=policy.model.device)
    training = policy.model.training
    policy.model.eval()
    with torch.no_grad():
        logits_TV = policy.model(input_ids=ids_1T).logits[0, len(prompt) - 1 : -1].float()
    policy.model.train(training)
    chosen = torch.tensor(said, device=logits_TV.device)[:, None]
    return logits_TV.log_softmax(-1).gather(-1, chosen)[:, 0].tolist()
