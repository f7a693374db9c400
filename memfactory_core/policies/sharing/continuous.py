"""Generation by transformers' continuous batching: keys and values lie in pages, a row that has ended gives its pages
to one that waits, and prompts are read between the tokens of other rows.

The engine runs in a thread of its own, which ends with each generation. All rows wait before it starts, so that what is
drawn depends on the seed alone and not on which row came in time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from memfactory_core.errors import PolicyError
from memfactory_core.policies.sharing.shared_attention import own_attention, without_adapters

PAGE = 16
"""Tokens of a page, the least that a row takes; what prompts begin with is shared by whole pages."""
CHUNK, CPU_CHUNK = 2048, 256
"""Tokens that pass through the model at once at most; the engine keeps a mask of so many rows over all pages, and what
passes at once shares nothing. A processor is as fast with few (`bench/engines.py`: with 1,024 it took half more)."""


def decode_continuous(
    model: Any, prompts: Sequence[list[int]], limits: Sequence[int], temperature: float, ends: Collection[int],
    rows: int, tokens: int, half: bool = False,
) -> list[tuple[list[int], list[float]]]:  # fmt: skip
    """For each prompt at most so many new ids as its limit says (at least 1), an end token among them only where it was
    drawn, and their log-probabilities under the softmax at the temperature (0: greedy, and the log-probabilities at 1).
    At most `rows` rows and about `tokens` tokens are held at once. `half` computes in bfloat16. Nobody else may use the
    model meanwhile. PolicyError where the engine fails or has too little memory."""
    if not prompts:
        return []
    model = without_adapters(model)
    pages = [-(-(len(ids) + limit) // PAGE) for ids, limit in zip(prompts, limits, strict=True)]
    rows = min(rows, len(prompts))
    room = sum(sorted(pages)[-rows:])
    enough = room * PAGE <= tokens
    # a configuration of its own: many models' own one cuts the distribution
    chunk = CPU_CHUNK if model.device.type == "cpu" else CHUNK
    sampling = {"temperature": temperature, "top_k": 0} if temperature else {}
    generation = GenerationConfig(do_sample=temperature > 0, eos_token_id=sorted(ends), **sampling)
    settings = ContinuousBatchingConfig(
        page_size=PAGE, num_blocks=room if enough else max(max(pages), tokens // PAGE),
        # where the longest rows fit together nothing is thrown out, and no page need be kept back for that
        safety_margin=0.0 if enough else None,
        max_batch_tokens=max(rows, min(chunk, sum(map(len, prompts)))), max_requests_per_batch=rows,
        return_logprobs=True, auto_switch_to_flash=False,
        # out of torch's generator, which a run seeds, saves and restores; the engine seeds it anew with this
        seed=int(torch.randint(2**31, ())),
    )  # fmt: skip
    device = model.device
    graphics = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(graphics), own_attention(model), _half(model, half):
        results = _run(model, generation, settings, prompts, limits)
    said = []
    for result in results:
        if result is None or result.error or not result.generated_tokens:
            reason = result.error if result and result.error else "a row was lost"
            raise PolicyError(
                f"continuous batching failed: {reason}; set policy.engine to 'transformers'"
            )
        said.append((list(result.generated_tokens), list(result.logprobs)))
    return said


def _run(
    model: Any, generation: GenerationConfig, settings: ContinuousBatchingConfig,
    prompts: Sequence[list[int]], limits: Sequence[int],
) -> list[Any]:  # fmt: skip
    """What became of each prompt (transformers' GenerationOutput, None where it is lost); the engine's thread has ended
    and its pages are let go."""
    manager = model.init_continuous_batching(generation, settings)
    found: dict[str, Any] = {}
    try:
        manager.warmup()  # makes the pages; without a GPU nothing is computed
        # rows with one beginning follow one another, so that pages are shared
        order = sorted(range(len(prompts)), key=prompts.__getitem__)
        names = {
            row: manager.add_request(
                prompts[row],
                max_new_tokens=limits[row],
                eos_token_id=generation.eos_token_id,
            )
            for row in order
        }
        manager.start()
        try:
            # it ends by itself after the last row. Waiting for that is not left to its `stop`: where a signal
            # interrupts that in Python 3.11, a living thread is taken for an ended one
            status = manager.background_thread_status
            status.request_stop(status.FLUSH_AND_STOP, 0)
            while len(found) < len(prompts):
                running = manager.is_running()
                result = manager.get_result(timeout=1.0)
                if result is not None:
                    found[result.request_id] = result
                elif not running:
                    break
        finally:
            manager.stop(hard_stop=True)
    except MemoryError as error:
        raise PolicyError(
            f"continuous batching has too little memory: lower policy.batch_tokens ({error})"
        ) from error
    finally:
        manager.destroy()
    return [found.get(names[row]) for row in range(len(prompts))]


@contextmanager
def _half(model: Any, half: bool) -> Iterator[None]:
    """Autocast holds for the thread that enters it, and the engine's is another: the model's call itself enters it."""
    if not half:
        yield
        return
    given = vars(model).get("forward")  # accelerate leaves one there
    model.forward = torch.autocast(model.device.type, torch.bfloat16)(model.forward)
    try:
        yield
    finally:
        if given is None:
            del model.forward
        else:
            model.forward = given


@torch.no_grad()
def try_out(model: Any, half: bool = False) -> None:
    """PolicyError where the engine cannot continue rows of this model, or gives other log-probabilities than the model
    itself does: two short rows are continued. The model must be in its mode for evaluation."""
    inner = without_adapters(model)
    size = inner.config.get_text_config().vocab_size
    prompts = [[i % size for i in range(1, 13)], [i % size for i in range(5, 12)]]
    try:
        said = decode_continuous(inner, prompts, [3, 3], 0.0, (), 2, 64, half)
    # a model that the library does not know fails in it as it happens to
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _cannot(inner, reason) from error
    for prompt, (ids, logps) in zip(prompts, said, strict=True):
        whole = torch.tensor([prompt + ids], device=inner.device)
        with own_attention(inner), torch.autocast(inner.device.type, torch.bfloat16, enabled=half):
            logits_TV = inner(whole, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
        plain = logits_TV.log_softmax(-1).gather(1, whole[0, len(prompt) :, None])[:, 0]
        off = (plain.cpu() - torch.tensor(logps)).abs().max()
        if not off <= 0.05 * float(logits_TV.std()) + 1e-3:
            raise _cannot(inner, f"its log-probabilities are off by {off:.3g}")


def _cannot(model: Any, reason: str) -> PolicyError:
    return PolicyError(
        f"continuous batching does not fit the model {model.name_or_path!r} ({reason}): "
        "set policy.engine to 'transformers'"
    )
