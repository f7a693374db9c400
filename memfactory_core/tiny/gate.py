"""The gate before reinforcement learning: reading is right, forms are valid, choices are at chance.

All names are held out. A choice at chance is at chance for every position too, else a policy could
look good by a habit.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence

import torch
from transformers import Lfm2ForCausalLM, PreTrainedTokenizerFast

from memfactory_core.dialects import quoted
from memfactory_core.tasks.language import Fact
from memfactory_core.tiny import prompts
from memfactory_core.tiny.learner import Learner, absent_question, near_miss
from memfactory_core.tiny.sampler import generate
from memfactory_core.tiny.skills import draw_ids
from memfactory_core.tiny.teachers import news

_OPERATION = re.compile(
    r"NOOP|ADD (?P<added>.+)|(?P<kind>UPDATE|DELETE) (?P<old>.+? #\d+)(?: to (?P<new>.+))?"
)


def ask(
    model: Lfm2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    questions: Sequence[str],
    temperature: float = 0.0,
    seed: int = 0,
    max_new_tokens: int = 64,
) -> list[str]:
    """One completion for each single-turn prompt; what was cut off ends in an ellipsis."""
    ids = tokenizer(list(questions), split_special_tokens=True).input_ids
    framed = [[tokenizer.bos_token_id, *part, tokenizer.sep_token_id] for part in ids]
    sampled = generate(
        model,
        framed,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        eos_id=tokenizer.eos_token_id,
        generator=torch.Generator(model.device).manual_seed(seed),
    )
    texts = tokenizer.batch_decode([one.ids for one in sampled], skip_special_tokens=True)
    return [text if one.finished else text + "…" for text, one in zip(texts, sampled, strict=True)]


def measure(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, items: int = 300, seed: int = 0
) -> dict[str, float]:
    """Every figure of the gate, each over `items` held-out examples; all are shares from 0 to 1."""
    was_training = model.training
    model.eval()
    report: dict[str, float] = {}
    for count in (1, 2, 4, 8, 12):
        report[f"answer_{count}"] = _reading(model, tokenizer, items, seed, count)
    report["answer_text_5"] = _reading(model, tokenizer, items, seed, 5, text=True)
    for count in (2, 4):
        report[f"answer_free_{count}"] = _reading(model, tokenizer, items, seed, count, free=1.0)
    for count in (0, 2, 4):
        report[f"unknown_{count}"] = _unknown(model, tokenizer, items, seed, count)
    report["quote_5"] = _quoting(model, tokenizer, items, seed)
    report |= _recognising(model, tokenizer, items, seed)
    report |= _remembering(model, tokenizer, items, seed)
    report |= _selecting(model, tokenizer, items, seed)
    report |= _managing(model, tokenizer, items, seed)
    model.train(was_training)
    return {name: round(value, 3) for name, value in report.items()}


def _draw(seed: int, items: int, count: int, free: float = 0.0) -> list[list[Fact]]:
    rng = random.Random(seed)
    return [Learner(rng, "heldout", free).facts(count) for _ in range(items)]


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / max(1, len(hits))


def _reading(
    model: Lfm2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    items: int,
    seed: int,
    count: int,
    free: float = 0.0,
    text: bool = False,
) -> float:
    asked, wanted = [], []
    rng = random.Random(seed)
    for facts in _draw(seed, items, count, free):
        fact = rng.choice(facts)
        said = [known.sentence for known in facts]
        cut = 2 if text else count
        asked.append(
            (prompts.READ_TEXT if text else prompts.ANSWER).format(
                memory=quoted.join_memory(said[:cut]),
                section=" ".join(said[cut:]),
                question=fact.question,
            )
        )
        wanted.append(fact.sentence)
    return _share([a == b for a, b in zip(ask(model, tokenizer, asked), wanted, strict=True)])


def _unknown(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, items: int, seed: int, count: int
) -> float:
    rng = random.Random(seed)
    asked = [
        prompts.ANSWER.format(
            memory=quoted.join_memory([fact.sentence for fact in facts]),
            question=absent_question(rng, Learner(rng, "heldout", 0.0), facts),
        )
        for facts in _draw(seed, items, count)
    ]
    return _share([answer == prompts.UNKNOWN for answer in ask(model, tokenizer, asked)])


def _candidates(seed: int, items: int, count: int) -> list[tuple[list[str], str, int]]:
    """Quotable memories, a question, and the place of the memory that answers it."""
    rng = random.Random(seed)
    drawn = []
    for facts in _draw(seed, items, count):
        said = [fact.sentence for fact in facts]
        place = rng.randrange(count)
        quotes = list(map(quoted.quote, said, draw_ids(rng, count)))
        drawn.append((quotes, facts[place].question, place))
    return drawn


def _quoting(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, items: int, seed: int
) -> float:
    drawn = _candidates(seed, items, 5)
    asked = [
        prompts.QUOTE.format(memory=" ".join(q), question=question) for q, question, _ in drawn
    ]
    answers = ask(model, tokenizer, asked)
    return _share(
        [a == quotes[place] for a, (quotes, _, place) in zip(answers, drawn, strict=True)]
    )


def _recognising(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, items: int, seed: int
) -> dict[str, float]:
    """Three memories and a message: a change of one of them is known again, a near miss is about none."""
    rng = random.Random(seed + 3)
    asked: dict[str, list[tuple[str, str]]] = {"change": [], "near": []}
    for facts in _draw(seed + 3, items, 3):
        speaker = Learner(rng, "heldout", 0.0)
        quotes = list(map(quoted.quote, (fact.sentence for fact in facts), draw_ids(rng, 3)))
        place = rng.randrange(3)
        for kind, about, said in (
            ("change", speaker.change(facts[place]), quotes[place]),
            ("near", near_miss(rng, speaker, facts), prompts.UNKNOWN),
        ):
            form = prompts.RECOGNISE.format(memory=" ".join(quotes), fact=about.sentence)
            asked[kind].append((form, said))
    report = {}
    for kind, pairs in asked.items():
        answers = ask(model, tokenizer, [form for form, _ in pairs])
        report[f"recognise_{kind}"] = _share(
            [answer == said for answer, (_, said) in zip(answers, pairs, strict=True)]
        )
    return report


def _remembering(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, items: int, seed: int
) -> dict[str, float]:
    """Two facts in memory and three in the section: by chance the needed one is kept as often as the mean of the
    five places."""
    rng = random.Random(seed)
    asked, needed, known = [], [], []
    for facts in _draw(seed, items, 5):
        said = [fact.sentence for fact in facts]
        place = rng.randrange(5)
        question = facts[place].question
        asked.append(
            prompts.REMEMBER.format(
                memory=" ".join(said[:2]), section=" ".join(said[2:]), question=question
            )
        )
        needed.append(said[place])
        known.append(said)
    report = {}
    for name, temperature in (("sampled", 1.0), ("greedy", 0.0)):
        answers = ask(model, tokenizer, asked, temperature, seed)
        kept = [re.findall(r"[^.]+\.", answer) for answer in answers]
        kept = [[sentence.strip() for sentence in sentences] for sentences in kept]
        report[f"remember_{name}_valid"] = _share(
            [
                answer == " ".join(mine)
                and 1 <= len(set(mine)) == len(mine) <= 2
                and set(mine) <= set(said)
                for answer, mine, said in zip(answers, kept, known, strict=True)
            ]
        )
        report[f"remember_{name}_needed"] = _share(
            [n in mine for n, mine in zip(needed, kept, strict=True)]
        )
        for place in range(5):
            report[f"remember_{name}_place_{place}"] = _share(
                [said[place] in mine for said, mine in zip(known, kept, strict=True)]
            )
    return report


def _selecting(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, items: int, seed: int
) -> dict[str, float]:
    """Five candidates: by chance the needed one is quoted as often as the mean of the five places."""
    drawn = _candidates(seed + 1, items, 5)
    asked = [
        prompts.SELECT.format(memory=" ".join(q), question=question) for q, question, _ in drawn
    ]
    report = {}
    for name, temperature in (("sampled", 1.0), ("greedy", 0.0)):
        answers = ask(model, tokenizer, asked, temperature, seed)
        chosen = [
            [part.strip() for part in re.findall(r".+?#\d+(?!\d)", answer)] for answer in answers
        ]
        rows = list(zip(answers, chosen, drawn, strict=True))
        report[f"select_{name}_valid"] = _share(
            [
                answer == " ".join(mine)
                and 1 <= len(set(mine)) == len(mine)
                and set(mine) <= set(quotes)
                for answer, mine, (quotes, _, _) in rows
            ]
        )
        report[f"select_{name}_right"] = _share(
            [quotes[place] in mine for _, mine, (quotes, _, place) in rows]
        )
        for i in range(5):
            report[f"select_{name}_place_{i}"] = _share(
                [quotes[i] in mine for _, mine, (quotes, _, _) in rows]
            )
    return report


def _managing(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, items: int, seed: int
) -> dict[str, float]:
    """Three memories and a message; valid means a known operation on a memory that is there, with the message as its
    new text. The shares of the four operations are of the messages that are about a memory, where all of them apply,
    `hits` of the UPDATEs and DELETEs there; `stray` is the share of UPDATEs and DELETEs where none is."""
    rng = random.Random(seed + 2)
    asked, setting = [], []
    for facts in _draw(seed + 2, items, 3):
        said = list(map(quoted.quote, (fact.sentence for fact in facts), draw_ids(rng, 3)))
        message, key = news(rng, Learner(rng, "heldout", 0.0), facts)
        about = [quote for quote, fact in zip(said, facts, strict=True) if fact.key == key]
        asked.append(prompts.MANAGE.format(memory=" ".join(said), fact=message))
        setting.append((said, message, about))
    report = {}
    for name, temperature in (("sampled", 1.0), ("greedy", 0.0)):
        answers = ask(model, tokenizer, asked, temperature, seed)
        kinds: Counter[str] = Counter()
        valid, hits, stray = [], [], []
        for answer, (said, message, about) in zip(answers, setting, strict=True):
            kind, old = _operation(answer, said, message)
            valid.append(kind is not None)
            if about:
                kinds[kind or "invalid"] += 1
                hits += [old in about] if old else []
            else:
                stray.append(old is not None)
        report[f"manage_{name}_valid"] = _share(valid)
        report[f"manage_{name}_hits"] = _share(hits)
        report[f"manage_{name}_stray"] = _share(stray)
        for kind in ("add", "update", "delete", "noop"):
            report[f"manage_{name}_{kind}"] = kinds[kind] / max(1, kinds.total())
    return report


def _operation(answer: str, said: Sequence[str], message: str) -> tuple[str | None, str | None]:
    """The kind of a valid operation and the memory that it is on; None and None where it is not valid."""
    found = _OPERATION.fullmatch(answer)
    kind = answer.split(" ")[0]
    if found is None:
        return None, None
    valid = (
        kind == "NOOP"
        or (kind == "ADD" and found["added"] == message)
        or (kind == "UPDATE" and found["old"] in said and found["new"] == message)
        or (kind == "DELETE" and found["old"] in said and found["new"] is None)
    )
    return (kind.lower(), found["old"]) if valid else (None, None)
