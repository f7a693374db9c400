"""How chat models are asked by default: short, for the prompt is read again in each turn. Decisions are one JSON object
with the papers' names. Each text is a prompt as `dialects/prompts.py` fills it. What differs between
the attempts at an example (the memory of `update`) stands last: what stands before it is computed once for all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memfactory_core.dialects import DateOf
from memfactory_core.dialects.prompts import LINE
from memfactory_core.types import Memory

NO_MEMORIES = "No memory."
_DATED = re.compile(r"\[([^\[\]\n]{1,60})\]\s?")
PROMPTS = {
    "extract": (
        "List the facts about people, plans, places and preferences in the text that are worth remembering, one short "
        "full sentence per line, names instead of pronouns. Write NONE where there are none.\n"
        "---\n"
        "Text: {text}\n"
        "Facts:"
    ),
    "topics": (
        "The text is one session of a conversation. For each topic that tells something personal about a speaker "
        "write one line: who and what in one sentence, then ' | ' and the words that were said. Write NONE where "
        "there is none.\n"
        "---\n"
        "Text: {text}\n"
        "Topics:"
    ),
    "update": (
        "You read a long text section by section to answer a question at the end. You see the question, the next "
        "section and your memory so far. Write the new memory: keep what helps to answer, add what the section tells "
        "about it, leave out the rest. Your output replaces the old memory whole; it may have at most {budget} "
        "characters. Write the memory alone, no comment.\n"
        "---\n"
        "Question: {question}\n"
        "Text: {text}\n"
        "Memory: {memory}\n"
        "Remember:"
    ),
    "manage": (
        "You keep a bank of memories. Say what the new fact changes, as one JSON object and nothing else:\n"
        '{"op": "ADD", "text": "..."} it is new and worth keeping\n'
        '{"op": "UPDATE", "id": 3, "text": "..."} it changes or completes memory 3; the text holds both\n'
        '{"op": "DELETE", "id": 3} it takes memory 3 back\n'
        '{"op": "NOOP"} it is known already or not worth keeping\n'
        "---\n"
        "Memories:\n"
        "{memories}\n"
        "Fact: {fact}"
    ),
    "merge": (
        "You keep memories by topic. Say where the new one belongs, as one JSON object and nothing else:\n"
        '{"op": "ADD", "text": "..."} it is a topic of its own\n'
        '{"op": "MERGE", "id": 3, "text": "..."} it belongs to memory 3; the text holds both\n'
        "---\n"
        "Memories:\n"
        "{memories}\n"
        "New: {fact}"
    ),
    "index": (
        "A memory is found again by its key. Write the words that one will search for when it is needed, on one "
        "line.\n"
        "---\n"
        "Memory: {text}\n"
        "Key:"
    ),
    "search": (
        "Before you answer you can look into your memory. Write what to search for, a few words; write NONE if the "
        "question can be answered without it.\n"
        "---\n"
        "Question: {question}\n"
        "Search:"
    ),
    "rerank": (
        "Which memories are needed to answer the question? Write their ids as a JSON list, such as [2, 5], at most "
        "{most}; [] where none helps.\n"
        "---\n"
        "Memories:\n"
        "{memories}\n"
        "Question: {question}"
    ),
    "rerank_quotes": (
        "Which memories are needed to answer the question? Write them word for word, one a line, at most {most}; NONE "
        "where none helps.\n"
        "---\n"
        "Memories:\n"
        "{memories}\n"
        "Question: {question}\n"
        "Needed:"
    ),
    "answer": (
        "Answer the question from the memory alone. Give the answer as short as possible, in \\boxed{}. If the memory "
        "does not tell, write \\boxed{Unknown}.\n"
        "---\n"
        "Memory: {memories}\n"
        "Question: {question}\n"
        "Answer:"
    ),
    "cite": (
        "Answer the question from the memories alone, in two lines: the ids of the memories that the answer rests on, "
        "then the answer, as short as possible.\n"
        "Memories: [2, 5]\n"
        "Answer: \\boxed{...}\n"
        "If they do not tell, write [] and \\boxed{Unknown}.\n"
        "---\n"
        "Memories:\n"
        "{memories}\n"
        "Question: {question}"
    ),
}  # fmt: skip
"""By role; `topics` is RMM's wording for the role extract, `cite` that of an answer which names its memories."""

EXAMPLES = {
    "extract": "Text: Ann: I moved to Oslo last week. It rains!\nFacts:\nAnn lives in Oslo.",
    "topics": "Text: Ann: I moved to Oslo last week.\nTopics:\nAnn moved to Oslo. | I moved to Oslo last week.",
    "manage": (
        "Memories:\n#4 Ann adopted a dog called Rex.\nFact: Ann adopted another dog, Max.\n"
        '{"op": "UPDATE", "id": 4, "text": "Ann adopted two dogs, Rex and Max."}'
    ),
    "merge": (
        "Memories:\n#4 Ann adopted a dog called Rex.\nNew: Ann's dog Rex is ill.\n"
        '{"op": "MERGE", "id": 4, "text": "Ann adopted a dog called Rex, who is ill."}'
    ),
    "index": "Memory: Ann adopted a dog called Rex.\nKey: Ann's pet, dog, Rex",
    "search": "Question: What is Ann's dog called?\nSearch: name of Ann's dog",
    "rerank": "Memories:\n#4 Ann's dog is Rex.\n#7 Ann lives in Oslo.\nQuestion: Where does Ann live?\n[7]",
    "rerank_quotes": (
        "Memories:\n#4 Ann's dog is Rex.\n#7 Ann lives in Oslo.\nQuestion: Where does Ann live?\n"
        "Needed: Ann lives in Oslo."
    ),
    "cite": (
        "Memories:\n#4 Ann's dog is Rex.\n#7 Ann lives in Oslo.\nQuestion: Where does Ann live?\n"
        "Memories: [7]\nAnswer: \\boxed{Oslo}"
    ),
}  # fmt: skip
"""One worked example each, for models that do not follow the instruction alone."""


def default_prompt(wording: str, with_example: bool = False) -> str | None:
    """The prompt of this name, None where there is none."""
    text = PROMPTS.get(wording)
    if text is None or not with_example or wording not in EXAMPLES:
        return text
    system, line, asked = text.partition(f"\n{LINE}\n")
    return f"{system}\n\nAn example:\n{EXAMPLES[wording]}{line}{asked}"


def stated_date(observation: str) -> str:
    """The date that an observation begins with, in brackets as the readers of dialogues write it; "" without one."""
    found = _DATED.match(observation)
    return found[1] if found and any(character.isdigit() for character in found[1]) else ""


def write_memories(memories: Sequence[Memory], date_of: DateOf, with_ids: bool = True) -> str:
    """The memories one a line: id, date, text. A memory alone that nobody has to point at is its text."""
    lines = [_write(memory, date_of(memory), with_ids) for memory in memories]
    if not with_ids and len(lines) > 1:
        lines = [f"- {line}" for line in lines]
    return "\n".join(lines) or NO_MEMORIES


def _write(memory: Memory, date: str, with_ids: bool) -> str:
    text = memory.text if with_ids is False else memory.text.replace("\n", "\n  ")
    when = f"[{date}] " if date and not _DATED.match(text) else ""
    return f"#{memory.id} {when}{text}" if with_ids else f"{when}{text}"
