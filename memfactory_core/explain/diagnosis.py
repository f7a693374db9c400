"""The diagnosis of a run in sentences, each with the setting it points at: what stood in the way of better answers,
read from counts alone. `tally` adds the counts up from episodes; `diagnose` judges them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.refusals import KINDS, kind_of
from memfactory_core.trace import Asked, Episode, Wrote
from memfactory_core.types import Record

WORTH_SAYING = 0.1
"""The least share of the writes, the turns or the wrong answers that is worth a sentence."""
MAIN = 0.5
"""The share of the wrong answers from which on their commonest cause is said."""
TOKENS = {
    "extract": "paradigm.extractor.max_tokens",
    "rerank": "paradigm.retriever.max_tokens",
    "answer": "paradigm.answer_tokens",
}
"""The setting that bounds what each role may write; every other role writes memory."""


class Counts(Record):
    """What a run's episodes of one phase add up to. `tally` is that of the function of this name, `causes` the number
    of wrongly answered episodes by cause, `episodes` that of all. `facts` are needed facts, `long_facts` those longer
    than the memory's budget. `equal_groups` and `reward` are the last values of the training's curves."""

    tally: dict[str, int] = {}
    causes: dict[str, int] = {}
    episodes: int = 0
    facts: int = 0
    long_facts: int = 0
    equal_groups: tuple[float, ...] = ()
    reward: tuple[float, ...] = ()


class Diagnosis(Record):
    """One sentence about a run: a short name, the setting it points at, and the share of the writes, turns or wrong
    answers that it concerns, by which diagnoses are ranked."""

    kind: str
    sentence: str
    setting: str
    share: float


def tally(episodes: Iterable[Episode]) -> dict[str, int]:
    """Writes, those of each action and refusals by their kind (`writes`, `wrote/add`, `refused/over_budget`, ...), and
    what the policy was asked for and how often it was cut off, by role (`asked/answer`, `cut_off/answer`, ...)."""
    counts: Counter[str] = Counter()
    for episode in episodes:
        for event in episode.events:
            if isinstance(event, Wrote):
                counts["writes"] += 1
                counts[f"wrote/{event.action}"] += 1
                if event.action == "reject":
                    counts[f"refused/{kind_of(event.reason)}"] += 1
            elif isinstance(event, Asked):
                counts[f"asked/{event.role}"] += 1
                said = episode.turns[event.index].completion
                counts[f"cut_off/{event.role}"] += said.finish_reason == "length"
    return {name: count for name, count in counts.items() if count}


def diagnose(counts: Counts, settings: Mapping[str, Any]) -> list[Diagnosis]:
    """What stood in the way, the weightiest first; [] where nothing is worth saying. `settings` are the run's
    configuration as plain values."""
    found = [
        *_refusals(counts, settings),
        *_cut_off(counts),
        *_causes(counts, settings),
        *_equal_groups(counts),
    ]
    return sorted(found, key=lambda diagnosis: -diagnosis.share)


def _refusals(counts: Counts, settings: Mapping[str, Any]) -> Iterable[Diagnosis]:
    writes = counts.tally.get("writes", 0)
    for kind, meaning in KINDS.items():
        refused = counts.tally.get(f"refused/{kind}", 0)
        # what was cut off is said by role, with the setting of that role
        if kind == "cut_off" or not writes or refused / writes < WORTH_SAYING:
            continue
        sentence, setting = f"{refused:,} of {writes:,} writes rejected: ", "policy"
        if kind == "over_budget":
            setting = "paradigm.store.budget"
            budget = _value(settings, setting)
            size = (
                "the memory's budget" if budget is None else f"the budget of {budget:,} characters"
            )
            small = counts.facts and counts.long_facts / counts.facts >= MAIN
            sentence += f"{size} is shorter than the facts" if small else (
                f"they are longer than {size}"
            )  # fmt: skip
        elif kind == "bank_full":
            setting = "paradigm.store.capacity"
            capacity = _value(settings, setting)
            sentence += "the bank is full"
            sentence += "" if capacity is None else f", it holds {capacity:,} memories"
        elif kind == "too_many":
            setting = "paradigm.retriever.most"
            sentence += meaning
        elif kind == "wrong_memory":
            sentence += f"the output {meaning}"
        elif kind == "malformed":
            setting = "policy.dialect"
            sentence += f"the output is {meaning}"
        else:
            sentence += meaning
        yield _diagnosis(kind, sentence, setting, refused / writes)


def _cut_off(counts: Counts) -> Iterable[Diagnosis]:
    for name, asked in counts.tally.items():
        group, _, role = name.partition("/")
        cut = counts.tally.get(f"cut_off/{role}", 0)
        if group != "asked" or not asked or cut / asked < WORTH_SAYING:
            continue
        what = "answers" if role == "answer" else f"outputs of the role {role}"
        setting = TOKENS.get(role, "paradigm.updater.max_tokens")
        sentence = f"{cut:,} of {asked:,} {what} were cut off at the length limit"
        yield _diagnosis("cut_off", sentence, setting, cut / asked)


def _causes(counts: Counts, settings: Mapping[str, Any]) -> Iterable[Diagnosis]:
    wrong = sum(counts.causes.values())
    for cause, count in counts.causes.items():
        share = count / wrong
        start = f"{count:,} of {wrong:,} wrong answers: "
        # a setting can help here before more training does
        if cause == "not_retrieved" and share >= WORTH_SAYING:
            setting = "paradigm.retriever.top_k"
            top_k = _value(settings, setting)
            among = "what was read" if top_k is None else f"the {top_k:,} memories that are read"
            named = "paradigm.retriever" if top_k is None else setting
            sentence = f"{start}the fact was in memory but not among {among}"
            yield _diagnosis(cause, sentence, named, share)
        elif cause == "never_extracted" and share >= WORTH_SAYING:
            yield _diagnosis(cause, start + CAUSES[cause], "paradigm.extractor", share)
        elif cause == "no_room" and share >= WORTH_SAYING and not _tells_of_room(counts):
            yield _diagnosis(cause, start + CAUSES[cause], "paradigm.store", share)
        elif share >= MAIN and cause in CAUSES and cause not in ("no_room", "cannot_tell"):
            yield _diagnosis(
                cause, start + CAUSES[cause], "policy", share * count / counts.episodes
            )


def _tells_of_room(counts: Counts) -> bool:
    writes = counts.tally.get("writes", 0)
    refused = (counts.tally.get(f"refused/{kind}", 0) for kind in ("over_budget", "bank_full"))
    return bool(writes) and any(count / writes >= WORTH_SAYING for count in refused)


def _equal_groups(counts: Counts) -> Iterable[Diagnosis]:
    if not counts.equal_groups or fmean(counts.equal_groups) <= MAIN:
        return
    share = fmean(counts.equal_groups)
    easy = bool(counts.reward) and fmean(counts.reward) > MAIN
    sentence = (
        f"{share:.0%} of the last groups earned the same in every attempt and teach nothing: the task is "
        f"{'too easy now' if easy else 'too hard for this policy'}"
    )
    yield _diagnosis("equal_groups", sentence, "task", share / 2 if easy else share)


def _diagnosis(kind: str, sentence: str, setting: str, share: float) -> Diagnosis:
    return Diagnosis(kind=kind, sentence=f"{sentence} ({setting})", setting=setting, share=share)


def _value(settings: Mapping[str, Any], path: str) -> Any:
    """A setting by its path with dots; None where these parts have none of this name."""
    value: Any = settings
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
