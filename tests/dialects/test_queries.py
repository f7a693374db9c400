"""Queries, keys and citations as chat models write them."""

import pytest

from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.types import Memory

SHOWN = [Memory(id=str(i), text=f"Fact number {i}.") for i in (1, 2, 3, 12)]
QUERIES = [
    ("name of Ann's dog", "name of Ann's dog"),
    ("Search: name of Ann's dog", "name of Ann's dog"),
    ("SEARCH name of Ann's dog", "name of Ann's dog"),
    ('"name of Ann\'s dog"', "name of Ann's dog"),
    ("**Search query:** `name of Ann's dog`", "name of Ann's dog"),
    ("Sure! Here is the search query:\n\nname of Ann's dog", "name of Ann's dog"),
    ("Sure!\nname of Ann's dog\n\nExplanation: it asks for a name.", "name of Ann's dog"),
    ('```json\n{"query": "name of Ann\'s dog"}\n```', "name of Ann's dog"),
    ('{"action": "search", "query": "name of Ann\'s dog"}', "name of Ann's dog"),
    ("I would search for name of Ann's dog", "name of Ann's dog"),
    ('search("name of Ann\'s dog")', "name of Ann's dog"),
    ("1. name of Ann's dog", "name of Ann's dog"),
    ("NONE", ""), ("None.", ""), ("**NONE**", ""), ("No search is needed.", ""), ("Search: none", ""),
    ("There is no need to search.", ""), ('{"query": null}', ""), ('{"search": false}', ""), ("[]", ""),
    ("I don't need to look it up.", ""), ("A search is not needed, for it is common knowledge.", ""),
]  # fmt: skip
NO_QUERIES = ["", "  ", "```\n```", "I'm sorry, but I can't help with that.", "x" * 301,
              "As an AI language model, I have no memory."]  # fmt: skip
KEYS = [
    ("Ann, dog, Rex", "Ann, dog, Rex"), ("Key: Ann, dog", "Ann, dog"), ("- Ann\n- dog", "Ann, dog"),
    ('["Ann", "dog"]', "Ann, dog"), ("**Keywords:** Ann, dog", "Ann, dog"),
    ('Sure! Here is the key:\n```\nAnn, dog\n```', "Ann, dog"), ('{"key": "Ann, dog"}', "Ann, dog"),
]  # fmt: skip
NO_KEYS = ["", "NONE", "I'm sorry, I cannot do that.", "DELETE #3", "y" * 301]
CITED = [
    ("Memories: [2, 12]\nAnswer: \\boxed{Oslo}", ["2", "12"], "\\boxed{Oslo}"),
    ("Memories: #2, #12\nAnswer: Oslo", ["2", "12"], "Oslo"),
    ("**Memories:** 2 and 12\n**Answer:** Oslo", ["2", "12"], "Oslo"),
    ("Selected memories:\n- #2 Fact number 2.\n- #12\n\nAnswer: Oslo", ["2", "12"], "Oslo"),
    ("Memories: []\nAnswer: \\boxed{Unknown}", [], "\\boxed{Unknown}"),
    ("Memories: none\nAnswer: Unknown", [], "Unknown"),
    ('```json\n{"memories": [2, 12], "answer": "Oslo"}\n```', ["2", "12"], "Oslo"),
    ("Sure! Here is it.\nMemories: [2]\nAnswer: Oslo", ["2"], "Oslo"),
    ("Oslo [2, 12]", ["2", "12"], "Oslo"), ("It is Oslo (#2).", ["2"], None),
    ("IDs: id 2, id 12\n\\boxed{Oslo}", ["2", "12"], "\\boxed{Oslo}"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "query"), QUERIES)
def test_a_query_is_read_whatever_surrounds_it(said, query):
    assert Chat().read_query(said, "What is it?") == (query, "")


@pytest.mark.parametrize("said", NO_QUERIES)
def test_what_is_no_query_is_refused(said):
    query, wrong = Chat().read_query(said)
    assert query == "" and wrong


@pytest.mark.parametrize(("said", "key"), KEYS)
def test_a_key_is_read_whatever_surrounds_it(said, key):
    assert Chat().read_key(said, "Ann has a dog called Rex.") == (key, "")


@pytest.mark.parametrize("said", NO_KEYS)
def test_what_is_no_key_is_refused(said):
    key, wrong = Chat().read_key(said, "Ann has a dog called Rex.")
    assert key == "" and wrong


@pytest.mark.parametrize(("said", "ids", "answer"), CITED)
def test_an_answers_memories_are_read_and_taken_off(said, ids, answer):
    cited, rest, wrong = Chat().read_citations(said, SHOWN)
    assert ([memory.id for memory in cited], wrong) == (ids, "")
    assert answer is None or rest.strip() == answer


def test_memories_that_were_not_shown_are_refused_and_the_answer_counts():
    cited, answer, wrong = Chat().read_citations("Memories: [9]\nAnswer: Oslo", SHOWN)
    assert (cited, answer, wrong) == ([], "Oslo", "no memory #9 was shown")
    assert Chat().read_citations("Oslo", SHOWN) == ([], "Oslo", "the answer names no memories")


def test_the_exact_forms_of_programs():
    quoted = Quoted()
    assert quoted.read_query("SEARCH dog") == ("dog", "") and quoted.read_query("NONE") == ("", "")
    assert quoted.read_query("a\nb")[1] and quoted.read_key("NONE")[1]
    assert quoted.read_key("dog, pet") == ("dog, pet", "")
    cited, answer, wrong = quoted.read_citations("Memories: #2\nAnswer: Oslo", SHOWN)
    assert ([m.id for m in cited], answer, wrong) == (["2"], "Oslo", "")
    assert quoted.read_citations("Memories: NONE\nAnswer: x", SHOWN) == ([], "x", "")
