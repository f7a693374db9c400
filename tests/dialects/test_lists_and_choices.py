"""Lists of facts, choices and rewritten memories as chat models write them."""

import pytest

from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.types import Memory

A, B = "Ann likes tea.", "Bob has 2 dogs."
SHOWN = [
    Memory(id="3", text="The pet of Bako is Zimo."),
    Memory(id="5", text="The car of Gose is Nari."),
    Memory(id="7", text="Bob does not eat meat."),
]


@pytest.mark.parametrize(
    "said",
    [
        f"{A}\n{B}",
        f"1. {A}\n2. {B}",
        f"1) {A}\n2) {B}",
        f"(1) {A}\n(2) {B}",
        f"- {A}\n- {B}",
        f"* {A}\n\n* {B}",
        f"•{A}\n• {B}",
        f"– {A}\n— {B}",
        f"a) {A}\nb) {B}",
        f"- 1. **{A}**\n- 2. **{B}**",
        f"```\n{A}\n{B}\n```",
        f"```text\n- {A}\n- {B}\n```",
        f"# Facts\n{A}\n{B}",
        f"## Facts about Ann\n\n- {A}\n- {B}",
        f"Here are the facts:\n{A}\n{B}",
        f"Here are the facts that are worth remembering:\n\n1. {A}\n2. {B}\n\nLet me know if you need more!",
        f"Sure! Here are the facts:\n- {A}\n- {B}\nI hope this helps.",
        f"Sure!\n\n**Facts:**\n- {A}\n- {B}",
        f"**Facts about Ann**\n- {A}\n- {B}",
        f"The following facts are worth remembering:\n{A}\n{B}",
        f"Facts: {A}\n{B}",
        f"Fact 1: {A}\nFact 2: {B}",
        f"**Fact 1:** {A}\n**Fact 2:** {B}",
        f'"{A}"\n"{B}"',
        f"`{A}`\n`{B}`",
        f"**{A}**\n**{B}**",
        f"---\n{A}\n{B}\n---",
        f'["{A}", "{B}"]',
        f'[\n  "{A}",\n  "{B}"\n]',
        f'```json\n["{A}", "{B}"]\n```',
        f'{{"facts": ["{A}", "{B}"]}}',
        f"{{'facts': ['{A}', '{B}']}}",
        f'Here are the facts: ["{A}", "{B}"]',
        f'[{{"fact": "{A}"}}, {{"text": "{B}"}}]',
        f'{{"facts": [{{"id": 1, "content": "{A}"}}, {{"id": 2, "content": "{B}"}}]}}',
        f"1.{A}\n2.{B}",
        f"1: {A}\n2: {B}",
        f"①{A}\n②{B}",
        f"[1] {A}\n[2] {B}",
        f"<facts>\n{A}\n{B}\n</facts>",
        f'"{A}", "{B}"',
        f"{A}\n{B}\n\nThese facts are worth remembering because they tell about Ann.",
        f"{A}\n{B}\nNONE",
        f"{A}\nNo other facts.\n{B}",
    ],
)
def test_facts_are_unwrapped_and_what_stands_around_them_is_no_fact(said):
    for dialect in (Chat(), Quoted()):
        assert dialect.read_facts(said, "a text") == [A, B]


@pytest.mark.parametrize(
    "said",
    [
        "NONE", "None.", "**None**", "none", "N/A", "n/a.", "(none)", "- NONE", "[]", '{"facts": []}', "```\nNONE\n```",
        "No facts.", "No facts were found in the text.", "There are no facts worth remembering.",
        "No relevant personal information is given.", "Nothing.", "Nothing worth remembering.", "",
        "None - the text is small talk.", "The text contains no personal facts.", "Facts:", "# Facts", "NO_TRAIT",
        "I'm sorry, but I can't help with that.", "I cannot extract facts from this.", "As an AI, I have none.",
        "Here are the facts:\nNONE", "NOOP", "(No facts)",
        "I found no facts in this text.", "There's nothing to remember here.", "ADD x", "...", "null", '["NONE"]',
    ],
)  # fmt: skip
def test_words_for_none_and_refusals_are_no_facts(said):
    assert Chat().read_facts(said, "a text") == []


@pytest.mark.parametrize(
    "fact",
    [
        "None of Bob's friends came.", "3.5 million people live there.", "1990 was a good year for Ann.",
        "Ann's shop is called 'Facts'.", "Bob said no to the offer.", "#3 is Bob's number.", "Nothing scares Bob.",
        "Ann lives in Bonn | \"I moved to Bonn\"", "Ann (a nurse) works at night.", "北京是首都。", "Ann-Marie sings.",
        "Sure Thing is Ann's horse.", "OK Computer is Bob's favourite album.", "Ann: I have ADD.",
    ],
)  # fmt: skip
def test_facts_that_look_like_something_else_stay(fact):
    assert Chat().read_facts(f"- {fact}", fact) == [fact]


def test_topics_are_a_summary_and_what_was_said():
    said = '{"extracted_memories": [{"summary": "Ann moved.", "reference": "I moved to Bonn"}]}'
    assert Chat().read_facts(said) == ["Ann moved. | I moved to Bonn"]


def test_an_unfinished_last_fact_is_dropped():
    assert Chat().read_facts(f"{A}\nBob ha", cut_off=True) == [A]
    assert Chat().read_facts(f'["{A}", "{B}", "Cid i', cut_off=True) == [A, B]
    assert Chat().read_facts(f'{{"facts": ["{A}", "{B}", "Cid i', cut_off=True) == [A, B]
    assert Chat().read_facts('{"facts": [', cut_off=True) == []


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ("#3", "3"), ("3", "3"), ("#3, #5", "35"), ("3, 5", "35"), ("3 5", "35"), ("5 and 3", "53"), ("[3, 5]", "35"),
        ('["3", "#5"]', "35"), ("[3]", "3"), ("```json\n[3, 5]\n```", "35"), ('{"ids": [3, 5]}', "35"),
        ('{"selected": ["3"]}', "3"), ('[{"id": 3, "text": "x"}]', "3"), ("Memory 3", "3"), ("**Memory #3**", "3"),
        ("Memory 3 and memory 5", "35"), ("Selected memories: 3, 5", "35"), ("I choose memory 3.", "3"),
        ("- #3\n- #5", "35"), ("1. #5\n2. #3", "53"), ("The pet of Bako is Zimo. #3", "3"),
        ("1. The pet of Bako is Zimo. #3\n2. The car of Gose is Nari. #5", "35"),
        ("#3 The pet of Bako is Zimo.", "3"), ('"The pet of Bako is Zimo." (#3)', "3"),
        ("The pet of Bako is Zimo.", "3"), ("- The pet of Bako is Zimo.\n- The car of Gose is Nari.", "35"),
        ("The needed memory is #3 because it names the pet.", "3"), ("#3\n\n#5 is not needed.", "3"),
        ("Bob does not eat meat. #7", "7"), ("#3, #3", "3"), ("None.", ""), ("[]", ""), ("NONE", ""),
        ("The relevant memories are 3 and 5.", "35"), ('["The pet of Bako is Zimo."]', "3"), ("(3)", "3"), ("3.", "3"),
        ("1. 3\n2. 5", "35"), ("It is in memory 3; memory 5 is not needed.", "3"), ("No relevant memories.", ""),
        ("#3. #5 is not needed.", "3"), ("There is no memory about that.", ""),
        ("None of the memories is relevant.", ""), ("No memory is needed.", ""), ("Here: [5]", "5"),
    ],
)  # fmt: skip
def test_choices_are_understood(said, ids):
    chosen, wrong = Chat().read_choice(said, SHOWN)
    assert ("".join(memory.id for memory in chosen), wrong) == (ids, "")


@pytest.mark.parametrize(
    ("said", "ids", "reason"),
    [
        ("#3 #9", "3", "no memory #9 was shown"), ("[9]", "", "no memory #9 was shown"),
        ("9", "", "no memory #9 was shown"), ("The car of Gose is Nari. #3", "", "the quote is not memory #3"),
        ("", "", "no memory was chosen"), ("I'm sorry, I can't.", "", "no memory was chosen"),
        ("Something else.", "", "no memory was chosen"), ('{"a": 1', "", "no memory was chosen"),
    ],
)  # fmt: skip
def test_choices_that_are_not_clear_are_wrong_with_the_reason(said, ids, reason):
    chosen, wrong = Chat().read_choice(said, SHOWN)
    assert ("".join(memory.id for memory in chosen), wrong) == (ids, reason)


@pytest.mark.parametrize(
    "said",
    [A, f"```\n{A}\n```", f"Memory: {A}", f"**Updated memory:** {A}", f'"{A}"', f"New memory:\n{A}", f" {A}\n",
     f"Here is the updated memory:\n\n{A}"],
)  # fmt: skip
def test_a_rewritten_memory_is_unwrapped(said):
    assert Chat().read_memory(said) == (A, "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [("NOOP", "an operation"), (f"ADD {A}", "an operation"), ('{"operation": "ADD", "text": "x"}', "an operation"),
     ("I'm sorry, but I can't assist with that.", "a refusal")],
)  # fmt: skip
def test_operations_and_refusals_are_no_memory(said, reason):
    assert Chat().read_memory(said)[1].startswith(reason)
    if reason == "an operation":
        assert Quoted().read_memory(said)[1].startswith(reason)


def test_memories_can_be_asked_for_by_their_words():
    memories = [
        Memory(id="1", text="Ann has a cat."),
        Memory(id="2", text="Ben: I play golf."),
        Memory(id="3", text="Cid has a dog."),
    ]
    values = {"memories": memories, "question": "What has Ann?", "most": 2}
    by_words, by_ids = Chat(quotes=True), Chat()
    asked, usual = (d.messages("rerank", [], values)[0]["content"] for d in (by_words, by_ids))
    assert "word for word" in asked and "ids" in usual
    own = by_words.messages("rerank", [], values, "Which of these?\n{memories}\n{question}\n{most}")
    assert own[-1]["content"].startswith("Which of these?")
    for chosen in ([memories[0]], memories[:2], []):
        assert by_words.read_choice(by_words.write_choice(chosen), memories) == (chosen, "")
    for said in (
        "Ann has a cat", '- "Ann has a cat."', "Needed: Ann has a cat.", "[8 May, 2023] Ann has a cat.",
    ):  # fmt: skip
        assert by_ids.read_choice(said, memories) == (memories[:1], ""), said
    assert by_words.read_choice("Ben: I play golf.", memories) == (memories[1:2], "")
    assert by_words.read_choice("Ann has a dog.", memories) == ([], "no memory was chosen")
