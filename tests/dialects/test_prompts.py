"""Prompts: what a chat model is shown, prompts of a recipe's own, and what is refused of them."""

import pytest

from memfactory_core.config import build, load
from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.prompts import ROLES, check_prompt, fill_prompt
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.dialects.wordings import EXAMPLES, PROMPTS, default_prompt, stated_date
from memfactory_core.episode import run_episodes
from memfactory_core.errors import ConfigError
from memfactory_core.paradigms import asked_roles
from memfactory_core.types import Example, Memory
from tests.chatty import ChattySampler

MINE = "Decide.\n---\nBank:\n{memories}\nNews: {fact}"
QWEN = ["task.path=x.json", "policy.model=m"]
TOLD = ("[8 May, 2023] Ann: I adopted Rex.", "[9 May, 2023] Ann: I adopted Max.")
EXAMPLE = Example(id="e", observations=TOLD, question="Which dogs does Ann have?", answers=("Rex",))


def play(paradigm):
    [episode] = run_episodes(paradigm, ChattySampler(seed=0), [EXAMPLE])
    return {turn.role: turn.messages for turn in episode.turns}, episode


def test_every_default_prompt_can_be_a_recipes_own():
    own = {"topics": "extract", "cite": "answer", "rerank_quotes": "rerank"}
    for name, text in PROMPTS.items():
        assert check_prompt(own.get(name, name), text) == text
    assert set(ROLES) == set(PROMPTS) - set(own)


def test_a_prompt_is_filled_once_whatever_its_values_hold():
    messages = fill_prompt(
        'Say {"op": "ADD"}.\n---\n{fact} | {memories}', {"fact": "{memories}", "memories": "x"}
    )
    assert messages == [
        {"role": "system", "content": 'Say {"op": "ADD"}.'},
        {"role": "user", "content": "{memories} | x"},
    ]
    [alone] = fill_prompt("No system.\n{fact} \\boxed{unknown}", {"fact": "f"})
    assert alone == {"role": "user", "content": "No system.\nf \\boxed{unknown}"}


def test_a_chat_model_sees_memories_one_a_line_with_ids_and_dates():
    memories = [
        Memory(id="1", text="Ann has Rex.", source=0),
        Memory(id="2", text="[9 May, 2023] Max.", source=1),
    ]
    dates = {"1": "8 May, 2023", "2": "9 May, 2023"}
    values = {"memories": memories, "fact": "f"}
    [_, asked] = Chat().messages("manage", [], values, date_of=lambda m: dates[m.id])
    assert asked["content"] == (
        "Memories:\n#1 [8 May, 2023] Ann has Rex.\n#2 [9 May, 2023] Max.\nFact: f"
    )
    [_, asked] = Chat().messages("manage", [], {"memories": [], "fact": "f"})
    assert asked["content"] == "Memories:\nNo memory.\nFact: f"


def test_an_answer_is_read_from_lines_and_one_text_stays_itself():
    two = [Memory(id="1", text="A."), Memory(id="2", text="B.")]
    for memories, listed in ((two, "- A.\n- B."), (two[:1], "A."), ([], "No memory.")):
        [_, asked] = Chat().messages("answer", [], {"memories": memories, "question": "q"})
        assert asked["content"] == f"Memory: {listed}\nQuestion: q\nAnswer:"
    [_, asked] = Chat().messages("cite", [], {"memories": two[:1], "question": "q"})
    assert asked["content"] == "Memories:\n#1 A.\nQuestion: q"


def test_a_worked_example_is_a_setting_and_ends_the_system_message():
    values = {"memories": [], "fact": "f"}
    plain, taught = (c.messages("manage", [], values) for c in (Chat(), Chat(examples=True)))
    assert taught[0]["content"].endswith(EXAMPLES["manage"]) and taught[1] == plain[1]
    assert Chat(examples=True).messages("manage", [], values, MINE)[0]["content"] == "Decide."
    for name, example in EXAMPLES.items():
        assert example in str(default_prompt(name, with_example=True))


def test_the_quoted_dialect_asks_in_the_parts_own_words():
    fixed = [{"role": "user", "content": "own"}]
    assert Quoted().messages("manage", fixed, {"memories": []}, MINE) == fixed
    assert Chat().messages("a part's own role", fixed, {}) == fixed


def test_a_recipes_prompt_is_what_the_model_is_asked_and_stands_in_the_record():
    config = load("memory-r1-qwen3-lora", [*QWEN, f"paradigm.prompts.manage={MINE}"])
    shown, _ = play(config.paradigm)
    assert shown["manage"][0]["content"] == "Decide."
    assert shown["manage"][1]["content"].startswith("Bank:\n")
    assert shown["answer"][0]["content"].startswith(PROMPTS["cite"][:20])
    assert config.dump()["paradigm"]["prompts"] == {"manage": MINE}
    assert build(config.dump()) == config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("cook=x", "no role called 'cook' has a prompt; known: extract"),
        ("manage=Decide on {fact}.", "has no {memories}: write it where"),
        ("manage={memories} {fact} {question}", "unknown placeholder {question}; known: {memories}"),
        ("manage={memories} {fact}\n---\n", "nothing is asked"),
        ("rerank={memories} {question}", "no part of this paradigm asks for the role 'rerank'"),
    ],
)  # fmt: skip
def test_a_prompt_that_cannot_be_used_is_refused(setting, message):
    with pytest.raises(ConfigError, match="(?s)prompts.*" + message.replace("{", r"\{")):
        load("memory-r1-qwen3-lora", [*QWEN, f"paradigm.prompts.{setting}"])


def test_the_tiny_policys_prompts_are_fixed_and_a_roles_own_policy_counts():
    mine = f"paradigm.prompts.manage={MINE}"
    with pytest.raises(ConfigError, match="prompts of the policy 'tiny' .* are fixed"):
        load("memory-r1-tiny", [mine])
    load("memory-r1-tiny", [mine, "mode=evaluate", "roles.manage=api"])


def test_the_roles_of_a_paradigm_are_those_of_its_parts():
    told = {
        "memagent-tiny": {"update": "update", "answer": "answer"},
        "memory-r1-tiny": {"manage": "manage", "answer": "answer"},
        "rmm-tiny": {"rerank": "rerank", "answer": "answer"},
    }
    for name, roles in told.items():
        assert asked_roles(load(name).paradigm) == (True, roles)


def test_a_date_is_what_an_observation_begins_with_in_brackets():
    assert stated_date(TOLD[0]) == "8 May, 2023"
    assert stated_date("[2023/05/08 (Mon) 10:00]\nuser: x") == "2023/05/08 (Mon) 10:00"
    assert stated_date("[laughs] Ann: hello") == stated_date("Ann: [8 May]") == ""
