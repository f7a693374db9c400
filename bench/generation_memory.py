"""Peak memory of generation, by way: `python -m bench.generation_memory [--layers 1]`.

A model of random weights in the shape of Qwen3-0.6B (vocabulary of 151,936, hidden size 1,024, 16 heads over 8) reads
32 prompts of about 4,096 tokens with 100 in common and says 64 tokens, once by `model.generate` with its logits kept
(as the lab did before) and once by `policies/sharing`. Each way runs in a process of its own; figures are MiB above the
loaded model. Layers scale the keys and values alone (4 KiB a token and layer in bfloat16), not the logits.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

VOCABULARY = 151_936
COMMON = 100


def measure(way: str, layers: int, rows: int, tokens: int, new: int) -> dict[str, float]:
    """What one way takes."""
    import psutil
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from memfactory_core.policies.language_model import LanguageModelSampler
    from memfactory_core.tiny.tokenizer import make_tokenizer

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=1024, intermediate_size=3072, num_hidden_layers=layers,
        num_attention_heads=16, num_key_value_heads=8, head_dim=128, tie_word_embeddings=True,
        max_position_embeddings=40_960, eos_token_id=VOCABULARY - 1,
    )  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    sampler = LanguageModelSampler(Qwen3ForCausalLM(config).eval(), make_tokenizer(), rows)
    torch.set_default_dtype(torch.float32)
    sampler.share_prompts = way == "shared"
    common = torch.randint(1000, 100_000, (COMMON,)).tolist()
    prompts = [
        common + torch.randint(1000, 100_000, (tokens - COMMON - row % 8,)).tolist()
        for row in range(rows)
    ]
    assert sampler.shares == (way == "shared")
    loaded = psutil.Process().memory_info().rss / 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.process_time()
    batches = [list(range(rows))] if way == "plain" else list(sampler._batches(prompts, new))
    for batch in batches:
        sampler.generate([prompts[row] for row in batch], new, 1.0)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "peak_MiB": round(max(peak, before) - loaded), "batches": len(batches), "seconds": round(seconds, 1),
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=["plain", "shared"], help="only this, in this process")
    for name, value in (("layers", 1), ("rows", 32), ("tokens", 4096), ("new", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = vars(parser.parse_args())
    way = options.pop("way")
    if way:
        print(json.dumps({"way": way, **options, **measure(way, **options)}), flush=True)
    else:
        for way in ("plain", "shared"):
            subprocess.run([sys.executable, *sys.argv, "--way", way], check=True)
