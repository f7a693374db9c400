"""What chat models say when they are asked for an operation, and what is carried out."""

import pytest

from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.types import Memory

BANK = [
    Memory(id="3", text="The pet of Bako is Zimo."),
    Memory(id="5", text="The car of Gose is Nari."),
]
FACT = "The pet of Bako is Rilo."
ADD = ("add", None, FACT)
UPDATE = ("update", "3", FACT)
DELETE = ("delete", "5", None)
NOOP = ("noop", None, "NOOP")

UNDERSTOOD = [
    (f"ADD {FACT}", [ADD]),
    (f"ADD: {FACT}", [ADD]),
    (f"add {FACT}", [ADD]),
    (f"Add: {FACT}", [ADD]),
    (f"**ADD** {FACT}", [ADD]),
    (f"**ADD:** {FACT}", [ADD]),
    (f"**ADD {FACT}**", [ADD]),
    (f"`ADD {FACT}`", [ADD]),
    (f"- ADD {FACT}", [ADD]),
    (f"1. ADD {FACT}", [ADD]),
    (f"[ADD] {FACT}", [ADD]),
    (f"ADD - {FACT}", [ADD]),
    (f'ADD "{FACT}"', [ADD]),
    (f"ADD “{FACT}”", [ADD]),
    (f"ADD <{FACT}>", [ADD]),
    (f'ADD("{FACT}")', [ADD]),
    (f'ADD "{FACT}" because it is new', [ADD]),
    (f"ADD text: {FACT}", [ADD]),
    (f"Operation: ADD {FACT}", [ADD]),
    (f"**Operation:** ADD {FACT}", [ADD]),
    (f"The operation is: ADD {FACT}", [ADD]),
    (f"```\nADD {FACT}\n```", [ADD]),
    (f"```text\nADD {FACT}\n```\nIt is new.", [ADD]),
    (f"Sure! Here is the operation:\n\nADD {FACT}", [ADD]),
    (f"ADD {FACT}\n\nThis fact is new, so it is added.", [ADD]),
    (f"ADD {FACT}\nExplanation: the memory says nothing of it.", [ADD]),
    (f"ADD {FACT} Reason: it is new.", [ADD]),
    (f"ADD {FACT} (the fact is new and worth keeping)", [ADD]),
    (f"ADD {FACT}\nADD is right because the fact is new.", [ADD]),
    (f"ADD:\n{FACT}", [ADD]),
    (f"Operation: ADD\nText: {FACT}", [ADD]),
    (f"ADD {FACT}\n\nFinal answer: ADD {FACT}", [ADD]),
    (f'{{"operation": "ADD", "text": "{FACT}"}}', [ADD]),
    (f'{{"op": "add", "memory": "{FACT}"}}', [ADD]),
    (f'```json\n{{"operation": "ADD", "text": "{FACT}"}}\n```', [ADD]),
    (f'Here it is: {{"event": "ADD", "id": 7, "text": "{FACT}"}}', [ADD]),
    (f"{{'operation': 'ADD', 'text': '{FACT}',}}", [ADD]),
    (f'{{"name": "add_memory", "arguments": {{"text": "{FACT}"}}}}', [ADD]),
    (f'{{"ADD": "{FACT}"}}', [ADD]),
    (f'{{"ADD": {{"text": "{FACT}"}}, "UPDATE": null, "DELETE": []}}', [ADD]),
    (f"UPDATE {BANK[0].text} #3 to {FACT}", [UPDATE]),
    (f"UPDATE #3 to {FACT}", [UPDATE]),
    (f"update #3 to {FACT}", [UPDATE]),
    (f"UPDATE 3 to {FACT}", [UPDATE]),
    (f"UPDATE: #3: {FACT}", [UPDATE]),
    (f"UPDATE [3] {FACT}", [UPDATE]),
    (f"UPDATE memory #3 with {FACT}", [UPDATE]),
    (f"UPDATE memory 3: {FACT}", [UPDATE]),
    (f"UPDATE #3 -> {FACT}", [UPDATE]),
    (f"UPDATE #3 {BANK[0].text} to {FACT}", [UPDATE]),
    (f'UPDATE "{BANK[0].text}" #3 to "{FACT}"', [UPDATE]),
    (f"UPDATE <{BANK[0].text}> #3 to <{FACT}>", [UPDATE]),
    (f"UPDATE {BANK[0].text} to {FACT}", [UPDATE]),
    (f"UPDATE {BANK[0].text} #3\nto {FACT}", [UPDATE]),
    (f"UPDATE(3, '{FACT}')", [UPDATE]),
    (f"Operation: UPDATE\nID: #3\nNew text: {FACT}", [UPDATE]),
    (f"UPDATE #3 to {FACT}\nThe pet has changed.", [UPDATE]),
    (f'{{"operation": "UPDATE", "id": 3, "text": "{FACT}"}}', [UPDATE]),
    (f'{{"action": "update", "memory_id": "#3", "new_memory": "{FACT}"}}', [UPDATE]),
    (f'{{"operation": "UPDATE", "old_memory": "{BANK[0].text}", "text": "{FACT}"}}', [UPDATE]),
    (f'{{"UPDATE": {{"id": "3", "text": "{FACT}"}}}}', [UPDATE]),
    (
        f'{{"memory": [{{"id": "3", "text": "{FACT}", "event": "UPDATE", "old_memory": "{BANK[0].text}"}}, '
        f'{{"id": "5", "text": "{BANK[1].text}", "event": "NONE"}}]}}',
        [UPDATE],
    ),
    (f'ADD {{"text": "{FACT}"}}', [ADD]),
    (f"The correct operation is ADD {FACT}", [ADD]),
    (f"### Operation\nADD\n\n### Text\n{FACT}", [ADD]),
    (f"<operation>ADD</operation><text>{FACT}</text>", [ADD]),
    (f"<answer>ADD {FACT}</answer>", [ADD]),
    (f"ADD the following fact: {FACT}", [ADD]),
    (f"ADD：{FACT}", [ADD]),
    (f"ADD {FACT} #9", [ADD]),
    (f"UPDATE #3: {BANK[0].text} -> {FACT}", [UPDATE]),
    (f'UPDATE id=3 text="{FACT}"', [UPDATE]),
    (f"UPDATE 3 | {FACT}", [UPDATE]),
    (f"UPDATE memory_id: 3, text: {FACT}", [UPDATE]),
    (f"I would UPDATE memory #3 to {FACT}", [UPDATE]),
    ("I'd choose NOOP because it is known.", [NOOP]),
    ("No action needed.", [NOOP]),
    (f'{{"operation": "ADD", "text": "{FACT}"}}\n{{"operation": "DELETE", "id": 5}}', [ADD, DELETE]),
    (f'{{"operation": "ADD", "text": "{FACT}"}}, {{"operation": "DELETE", "id": 5}}', [ADD, DELETE]),
    (f'<tool_call>\n{{"name": "UPDATE", "arguments": {{"id": 3, "text": "{FACT}"}}}}\n</tool_call>', [UPDATE]),
    ("DELETE The car of Gose is Nari. #5", [DELETE]),
    ("DELETE #5", [DELETE]),
    ("delete 5", [DELETE]),
    ("DELETE: memory #5.", [DELETE]),
    ("DELETE #5 because it is taken back", [DELETE]),
    ("DELETE The car of Gose is Nari.", [DELETE]),
    ("DELETE(5)", [DELETE]),
    ('{"operation": "DELETE", "id": 5}', [DELETE]),
    ('{"event": "DELETE", "id": "5", "text": "The car of Gose is Nari."}', [DELETE]),
    ('{"DELETE": 5}', [DELETE]),
    ("NOOP", [NOOP]),
    ("NOOP.", [NOOP]),
    ("**NOOP**", [NOOP]),
    ("`noop`", [NOOP]),
    ("No-op", [NOOP]),
    ("NONE", [NOOP]),
    ("NOOP()", [NOOP]),
    ("NOOP - the fact is known already.", [NOOP]),
    ("NOOP\nThere is nothing to keep. ADD would repeat it.", [NOOP]),
    ("Operation: NOOP", [NOOP]),
    ("```\nNOOP\n```", [NOOP]),
    ("No operation needed.", [NOOP]),
    ('{"operation": "NOOP"}', [NOOP]),
    ('{"event": "NONE"}', [NOOP]),
    ('{"memory": []}', [NOOP]),
    (f"ADD {FACT}\nDELETE #5", [ADD, DELETE]),
    (f"1. UPDATE #3 to {FACT}\n2. DELETE #5\n3. NOOP", [UPDATE, DELETE]),
    (f'[{{"operation": "ADD", "text": "{FACT}"}}, {{"operation": "DELETE", "id": 5}}]', [ADD, DELETE]),
    (f'["ADD {FACT}", "NOOP"]', [ADD]),
]  # fmt: skip

REJECTED = [
    ("", "not one of ADD, UPDATE, DELETE, NOOP: nothing was said"),
    ("I'm sorry, but I cannot help with that.", "not one of ADD, UPDATE, DELETE, NOOP: a refusal"),
    ("As an AI language model I have no memory.", "not one of ADD, UPDATE, DELETE, NOOP: a refusal"),
    ("The weather is nice.", "not one of"),
    ("None of the memories is related to this.", "not one of"),
    ("Adding this would help.", "not one of"),
    ("ADD", "no text was given"),
    ("ADD <text>", "no text was given"),
    ("UPDATE #9 to x", "no memory #9 was shown"),
    ("UPDATE #3", "no text was given"),
    ("UPDATE The car of Gose is Nari. #3 to x", "the quote is not memory #3"),
    ("DELETE #9", "no memory #9 was shown"),
    ("DELETE the old one", "no memory was named"),
    ("DELETE #3 and #5", "more than one memory"),
    ("ADD x ADD y", "an operation in the text of a memory"),
    ("ADD x. NOOP", "an operation in the text of a memory"),
    ("ADD x; UPDATE #3 to y", "an operation in the text of a memory"),
    ("UPDATE #3 to x. DELETE #5", "an operation in the text of a memory"),
    ("ADD x\nThat is new.\nDELETE #5", "more than one operation"),
    ("ADD x\nDELETE #9", "no memory #9 was shown"),
    ('[{"operation": "ADD", "text": "x"}, {"operation": "DELETE", "id": 9}]', "no memory #9"),
    ('{"operation": "ADD", "text": "NOOP"}', "an operation in the text of a memory"),
    ('{"operation": "ADD", "text": "x"}\nNo, better:\n{"operation": "NOOP"}', "more than one operation"),
    ('{"operation": "ADD"}', "no text was given"),
    ('{"operation": "ADD", "text": "cut o', "not one of"),
    ('{"text": "x"}', "not one of"),
    ("[" * 5000, "not one of"),
]  # fmt: skip


def carried_out(ops):
    return [(op.action, op.memory_id, op.text) for op in ops]


@pytest.mark.parametrize(("said", "wanted"), UNDERSTOOD)
def test_operations_of_chat_models_are_understood(said, wanted):
    assert carried_out(Chat().read_operations(said, BANK, FACT)) == wanted


@pytest.mark.parametrize(("said", "reason"), REJECTED)
def test_what_is_not_clear_is_rejected_whole_with_its_reason(said, reason):
    (op,) = Chat().read_operations(said, BANK, "x")
    assert op.action == "reject" and op.reason.startswith(reason) and op.text == said


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (f"MERGE {BANK[0].text} #3 to {FACT}", UPDATE),
        (f"merge: #3 {FACT}", UPDATE),
        (f"Merge(3, '{FACT}')", UPDATE),
        (f'{{"operation": "MERGE", "id": 3, "text": "{FACT}"}}', UPDATE),
        (f"UPDATE #3 to {FACT}", UPDATE),
        (f"**ADD** {FACT}", ADD),
    ],
)
def test_merges_are_updates_that_say_why(said, wanted):
    (op,) = Chat().read_operations(said, BANK, FACT, merging=True)
    assert (op.action, op.memory_id, op.text) == wanted
    assert op.reason == ("merged" if op.action == "update" else "")


@pytest.mark.parametrize("said", ["NOOP", "DELETE #3", '{"operation": "DELETE", "id": 3}'])
def test_merging_knows_no_other_words(said):
    (op,) = Chat().read_operations(said, BANK, FACT, merging=True)
    assert (op.action, op.reason) == ("reject", "not one of ADD, MERGE")


@pytest.mark.parametrize(
    "said", ["NOOP.", "**NOOP**", "add x", "ADD: x\nNOOP", "noop", "UPDATE 3 to x", "ADD x\nbecause",
             "ADD x. NOOP", '{"operation": "NOOP"}', "UPDATE #3 to x DELETE #5"],
)  # fmt: skip
def test_the_quoted_dialect_stays_strict(said):
    (op,) = Quoted().read_operations(said, BANK, "x")
    assert op.action == "reject" and op.reason


@pytest.mark.parametrize("dialect", [Quoted(), Chat()])
def test_a_fact_may_speak_of_operations_and_have_several_lines(dialect):
    for fact in ("Bob takes pills for his ADD.", "Ann: hi\nBob: UPDATE the list!\n\nAnn: NOOP"):
        (op,) = dialect.read_operations(f"ADD {fact}", [], fact)
        assert (op.action, op.text) == ("add", fact)


def test_an_old_text_may_hold_an_id():
    bank = [Memory(id="3", text="Room #12 to the left is free."), Memory(id="12", text="x")]
    for dialect in (Quoted(), Chat()):
        (op,) = dialect.read_operations(f"UPDATE {bank[0].text} #3 to Room #12 is taken.", bank)
        assert (op.action, op.memory_id, op.text) == ("update", "3", "Room #12 is taken.")
