"""Ids that tell records apart and texts that stay the same whatever is shuffled, cut or left out, in every reader."""

import pytest

from memfactory_core.component import kinds
from tests.tasks.records import ALL, DOCUMENTS, PLAIN, facts, hotpot, locomo, longmemeval, write

SAMPLE = {"context": DOCUMENTS, "input": "What?", "answers": ["3"], "index": 7}


def said(word: str) -> dict:
    return locomo()["conversation"] | {
        "session_12_date_time": "9 June 2023",
        "session_12": [{"speaker": "Ann", "dia_id": "D12:1", "text": f"I saw {word}."}],
    }


def pages(word: str) -> dict:
    titles = ["Dune", "Frank Herbert", word]
    return {"title": titles, "sentences": [*hotpot()["context"]["sentences"][:2], [f"{word}."]]}


ONE_ID = {
    "locomo": lambda word: locomo(conversation=said(word)),
    "hotpotqa": lambda word: hotpot(id="5a7a", context=pages(word)),
    "longmemeval": lambda word: longmemeval(
        haystack_sessions=[
            [{"role": "user", "content": word}],
            longmemeval()["haystack_sessions"][1],
        ]
    ),
    "factconsolidation": lambda word: facts(context=f"0. A is in {word}.\n1. C is D."),
    "memagent_file": lambda word: SAMPLE | {"context": f"{DOCUMENTS}\n\nDocument 9:\n{word}"},
    "jsonl": lambda word: PLAIN | {"id": "q1", "context": f"{word} has a dog. Ben has a cat."},
}
"""Records with one id, told apart by a word of their text."""
SETTINGS = {
    "locomo": [
        {"observation": "turn"}, {"captions": False, "dates": False}, {"together": True}, {"window": 2},
        {"categories": (5,)},
    ],
    "hotpotqa": [{"documents": 5}, {"documents_per_section": 2}, {"documents": 2}],
    "longmemeval": [{"observation": "turn"}, {"dates": False}],
    "factconsolidation": [{"together": False}, {"facts_per_section": 1}, {"numbers": False}],
    "memagent_file": [{"shuffle": True}, {"section": 100}, {"shuffle": True, "section": 200}],
    "jsonl": [{"section": 20}, {"name": "id"}],
}  # fmt: skip
"""Every setting of a reader that changes what is read."""
BASE = {"hotpotqa": {"documents": 3}}


def task(kind: str, path: str, **settings):
    return kinds("tasks")[kind](path=path, **BASE.get(kind, {}) | settings)


def texts(examples) -> set[str]:
    return {example.text for example in examples}


def test_every_reader_is_tried_here():
    reads = {kind for kind, one in kinds("tasks").items() if "path" in one.model_fields}
    assert reads == set(ONE_ID) == set(SETTINGS)


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("kind", ONE_ID)
def test_records_with_one_id_are_told_apart(kind, suffix, tmp_path):
    path = write(
        tmp_path, f"a.{suffix}", [ONE_ID[kind](word) for word in ("Azo", "Bero", "Cato", "Dunn")]
    )
    named = task(kind, path, **({"name": "id"} if kind == "jsonl" else {}))
    examples = named.examples(ALL, 0)
    ids = [example.id for example in examples]
    assert len(set(ids)) == len(ids) >= 4 and len(texts(examples)) == 4
    assert named.examples(2, 1)[0].id in ids, "a draw changes no id"


@pytest.mark.parametrize("kind", ONE_ID)
def test_a_texts_identity_is_the_same_for_every_seed_setting_and_file(kind, tmp_path):
    records = [ONE_ID[kind](word) for word in ("Azo", "Bero", "Cato", "Dunn")]
    path = write(tmp_path, "a.json", records)
    known = texts(task(kind, path).examples(ALL, 0))
    assert len(known) == 4
    for settings in ({}, *SETTINGS[kind]):
        for seed in (0, 1, 2):
            assert texts(task(kind, path, **settings).examples(ALL, seed)) == known, settings
    half = write(tmp_path, "b.jsonl", records[2:])
    assert texts(task(kind, half).examples(ALL, 3)) < known, "the same record in another file"


def test_documents_in_another_order_are_the_same_text(tmp_path):
    first, second = DOCUMENTS.split("\n\n")[:2]
    swap = lambda text: text.replace("Document 1:", "Document 2:")  # noqa: E731
    other = "\n\n".join([second.replace("2:", "1:", 1), swap(first)])
    path = write(
        tmp_path,
        "a.json",
        [SAMPLE | {"context": f"{first}\n\n{second}"}, SAMPLE | {"context": other}],
    )
    assert len(texts(task("memagent_file", path).examples(ALL, 0))) == 1
