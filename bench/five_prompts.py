"""How far words alone bring a chat model: five prompts for MemAgent, no training, each measured on the held-out
examples of a recipe: `python -m bench.five_prompts [RECIPE] [--set a.b=c]`. Prints one row for each prompt.

The best of five is chosen on the very examples it is measured on, which flatters it beside a trained policy.
"""

from __future__ import annotations

import argparse

from memfactory_core.config import load
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.scoring.split import held_out_examples

UPDATE = "{text}\nQuestion: {question}\nMemory: {memory}\nNew memory:"
ANSWER = "Question: {question}\nMemory: {memories}\nAnswer:"
EXAMPLE = (
    "Text: Ann's dog is called Rex. The station opens at nine.\nQuestion: What is Ann's dog called?\nMemory: none\n"
    "New memory: Ann's dog is called Rex.\n\nText: It rained on Monday. Tom plays chess.\nQuestion: What is Ann's dog "
    "called?\nMemory: Ann's dog is called Rex.\nNew memory: Ann's dog is called Rex.\n"
)
PROMPTS = {
    "the recipe's": {},
    "one sentence": {
        "update": f"Copy the one sentence that answers the question, word for word.\n---\n{UPDATE}",
        "answer": f"Answer with one or two words from the memory.\n---\n{ANSWER}",
    },
    "a rule for each case": {
        "update": "If the text answers the question, write that sentence. If the memory answers it, write the memory "
        f"again. Else write nothing.\n---\n{UPDATE}",
        "answer": f"Use only the memory. Answer in as few words as possible.\n---\n{ANSWER}",
    },
    "a worked example": {
        "update": f"Keep what answers the question.\n---\n{EXAMPLE}\nText: {UPDATE}",
        "answer": "Answer from the memory.\n---\nQuestion: What is Ann's dog called?\nMemory: Ann's dog is called "
        f"Rex.\nAnswer: Rex\n\n{ANSWER}",
    },
    "in a role": {
        "update": "You are a careful note taker with room for one or two facts. You keep the facts that will be asked "
        f"for and drop the rest. You never change a word.\n---\n{UPDATE}",
        "answer": f"You answer from your notes alone, as short as possible.\n---\n{ANSWER}",
    },
}


def main() -> None:
    """Measures every prompt with the recipe's untrained policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="memagent-smollm2")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    chosen = parser.parse_args()
    config = load(chosen.recipe, ["mode=evaluate", "evaluation.samples=0", *chosen.settings])
    examples = held_out_examples(config)
    for name, prompts in PROMPTS.items():
        told = config.paradigm.model_copy(update={"prompts": prompts or config.paradigm.prompts})
        sampler = config.load_policies(None, None)
        found = evaluate(told, sampler, examples, config.reward, seed=config.seed)["greedy"]
        cells = [
            f"{label} {found[label]['mean']:.3f} [{found[label]['low']:.3f}, {found[label]['high']:.3f}]"
            for label in ("exact_match", "kept")
        ]
        print(f"{name:22} {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
