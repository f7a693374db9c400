"""The tiny policy: a causal language model of our own that reads the small language and knows
nothing else.

Its first teacher is ignorant on purpose: it reads well and knows again what a message is about, but
stores, picks and edits memories at random, so that what to remember is left for reinforcement
learning to find. This file imports no
torch.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""The shipped policy; `AutoModelForCausalLM` and `AutoTokenizer` load it from here."""
