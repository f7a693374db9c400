"""Imitation: demonstrations are in the pupil's own form and its reader takes them, the teacher chooses by chance, and
loss is on completions alone."""

import re

import pytest
import torch
from torch.nn.functional import cross_entropy

from memfactory_core.config import build, load
from memfactory_core.dialects import Dialect
from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.errors import PolicyError, RunError
from memfactory_core.rewards import score_all
from memfactory_core.scoring.split import demonstrated_examples
from memfactory_core.trace import Asked, Cited, Wrote, holds
from memfactory_core.training.demonstrations import (
    Demonstration,
    demonstrate,
    draw_batches,
    imitated_roles,
    make_teacher,
    play,
    trained_roles,
)
from memfactory_core.training.imitation import IGNORED, imitation_config, make_trainer
from memfactory_core.types import Memory, Op
from tests.policies.test_policies import save_model

RECIPES = {
    "memagent-smollm2": {"update", "answer"},
    "memory-r1-smollm2": {"manage", "answer"},
    "rmm-smollm2-topics": {"extract", "merge", "rerank", "answer"},
    "rmm-smollm2": {"rerank", "answer"},
}
LONG = {
    "memagent-smollm2": ["paradigm.updater.max_tokens=200", "paradigm.answer_tokens=64"],
    "memory-r1-smollm2": ["paradigm.updater.max_tokens=200", "paradigm.answer_tokens=64"],
    "rmm-smollm2": ["paradigm.answer_tokens=64", "paradigm.retriever.max_tokens=200"],
    "rmm-smollm2-topics": [
        "paradigm.updater.max_tokens=400", "paradigm.answer_tokens=64", "paradigm.extractor.max_tokens=900",
        "paradigm.retriever.max_tokens=200",
    ],
}  # fmt: skip
"""The tiny tokenizer spells English letter by letter."""
FORMS = {
    "update": r"(?:[A-Z][^\n]*\.)?", "extract": r"(?:[^\n|]+\. \| [^\n|]+\.\n?)+|NONE",
    "rerank": r"\[\d+\]|[A-Z][^\n]*\.",
    "manage": r'\{"op": "(?:ADD|UPDATE|DELETE|NOOP)".*\}', "merge": r'\{"op": "(?:ADD|MERGE)".*\}',
    "answer": r"(?:Memories: \[.*\]\nAnswer: )?\\boxed\{[^}]+\}",
}  # fmt: skip
"""What the chat dialect asks for in each role."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("imitation") / "model", "llama")


def configured(name, model, *more):
    own = ["policy.dtype=float32", f"policy.model={model}", "imitation.examples=40"]
    all_shown = ["imitation.unknown=1", "imitation.idle=1"]
    return load(name, [*own, *LONG[name], *all_shown, *more])


@pytest.mark.parametrize("dialect", ["chat", "quoted"])
@pytest.mark.parametrize("name", RECIPES)
def test_demonstrations_are_in_the_pupils_form_and_its_reader_takes_them(name, dialect, model):
    prompts = ["paradigm.prompts={}"] if dialect == "quoted" else []
    config = configured(name, model, *prompts, f"policy.dialect={dialect}")
    pupil = config.load_policies(None, None)
    examples = demonstrated_examples(config)
    assert len(examples) == 40
    found = demonstrate(config, pupil, examples)
    assert {one.role for one in found} == RECIPES[name] == imitated_roles(config)
    episodes = play(config, make_teacher(config, pupil), examples)
    rejected = [
        e for ep in episodes for e in ep.events if isinstance(e, Wrote) and e.action == "reject"
    ]
    turns = [turn for episode in episodes for turn in episode.turns]
    assert not rejected and len(found) == len(turns), "each turn is a demonstration"
    for one, turn in zip(found, turns, strict=True):
        assert list(one.prompt_ids) == pupil.own.encode(turn.messages), "as the pupil sees it"
        assert one.completion_ids[-1] in pupil.own.end_ids
        assert (
            pupil.own.tokenizer.decode(one.completion_ids[:-1]) == one.text == turn.completion.text
        )
        if dialect == "chat":
            assert re.fullmatch(FORMS[one.role], one.text, re.DOTALL), (one.role, one.text)


def test_the_teacher_of_remembering_never_looks_at_the_question(model):
    config = configured("memagent-smollm2", model)
    pupil = config.load_policies(None, None)
    examples = config.task.examples(400, 5, "train")
    others = [
        one.model_copy(
            update={
                "question": other.question,
                "answers": other.answers,
                "evidence": other.evidence,
            }
        )
        for one, other in zip(examples, [*examples[1:], examples[0]], strict=True)
    ]

    def written(given):
        played = play(config, make_teacher(config, pupil, encodes=False), given)
        return played, [[e.after for e in ep.events if isinstance(e, Wrote)] for ep in played]

    played, memories = written(examples)
    assert memories == written(others)[1], "the same memories, whatever is asked"
    # chance: how much of all that was told is held at the end
    held, told = 0, 0
    for episode, kept in zip(played, memories, strict=True):
        sentences = re.findall(r"[^.]+\.", " ".join(episode.example.observations))
        told += len(sentences)
        held += sum(sentence.strip() in kept[-1] for sentence in sentences)
    scored = score_all(played, {"kept": 1.0})
    kept_mean = sum(episode.scores["kept"] for episode in scored) / len(scored)
    assert kept_mean == pytest.approx(held / told, abs=0.07), "no better than any other fact"
    assert 0.2 < held / told < 0.5


def test_answers_copy_what_memory_states_and_say_else_that_it_is_not_known(model):
    config = configured("memagent-smollm2", model)
    pupil = config.load_policies(None, None)
    episodes = play(config, make_teacher(config, pupil), config.task.examples(60, 5, "train"))
    both = set()
    for episode in episodes:
        memory = [event.after for event in episode.events if isinstance(event, Wrote)][-1]
        known = holds(memory, episode.example.evidence[0])
        value = episode.example.answers[0]
        assert episode.turns[-1].completion.text == f"\\boxed{{{value if known else 'Unknown'}}}"
        both.add(known)
    assert both == {True, False}


def test_roles_that_stay_as_they_are_are_shown_done_well_and_those_to_be_trained_by_chance(model):
    config = configured("rmm-smollm2-topics", model)
    assert trained_roles(config) == {"rerank"}, "extract, merge and answer are frozen"
    pupil = config.load_policies(None, None)
    examples = config.task.examples(60, 5, "train")
    episodes = play(config, make_teacher(config, pupil), examples)
    kept = [holds(" ".join(e.after for e in ep.events if isinstance(e, Wrote) and e.after), item)
            for ep in episodes for item in ep.example.needed]  # fmt: skip
    assert sum(kept) / len(kept) > 0.95, "what is told is extracted"
    for episode in episodes:
        answers = [event for event in episode.events if isinstance(event, Cited)]
        said = [turn.completion.text for turn in episode.turns if turn.role == "answer"]
        assert len(answers) == len(said)
        for cited, text in zip(answers, said, strict=True):
            assert bool(cited.memory_ids) != text.endswith("\\boxed{Unknown}"), text
    chosen = [
        e for ep in episodes for e in ep.events if isinstance(e, Asked) and e.role == "rerank"
    ]
    found = score_all(episodes, {"found": 1.0})
    share = sum(episode.scores["found"] for episode in found) / len(found)
    assert chosen and share < 0.5, "one of several memories, whatever is asked"
    manager = configured("memory-r1-smollm2", model)
    assert trained_roles(manager) == {"manage"}
    assert imitated_roles(
        configured("memory-r1-smollm2", model, 'roles={"answer": "scripted"}')
    ) == {"manage"}


MEMORIES = [Memory(id="3", text="Ann has a cat."), Memory(id="x7", text="Ben plays golf.")]


@pytest.mark.parametrize("dialect", [Chat(), Chat(quotes=True), Quoted()])
def test_what_a_dialect_writes_its_reader_reads_back(dialect):
    ops = [
        Op(action="add", text='Zoe says "hi", né.'), Op(action="update", memory_id="3", text="Ann has a dog."),
        Op(action="delete", memory_id="x7"), Op(action="noop"),
    ]  # fmt: skip
    for op in ops:
        said = dialect.write_operation(op, MEMORIES)
        (back,) = dialect.read_operations(said, MEMORIES, op.text or "")
        wanted = (op.action, op.memory_id, op.text if op.action in ("add", "update") else None)
        got = (back.action, back.memory_id, back.text if back.action in ("add", "update") else None)
        assert got == wanted, said
    merged = dialect.write_operation(ops[1], MEMORIES, merging=True)
    assert [op.reason for op in dialect.read_operations(merged, MEMORIES, "", True)] == ["merged"]
    assert dialect.read_choice(dialect.write_choice(MEMORIES), MEMORIES) == (MEMORIES, "")
    for cited in (MEMORIES[:1], []):
        said = dialect.write_citations(cited, dialect.write_answer("a cat"))
        found, answer, wrong = dialect.read_citations(said, MEMORIES)
        assert (found, wrong) == (cited, "") and "a cat" in answer
    assert dialect.read_facts(dialect.write_facts(["Ann left.", "Ben came."])) == [
        "Ann left.",
        "Ben came.",
    ]
    assert dialect.read_facts(dialect.write_facts([])) == []
    assert dialect.read_query(dialect.write_query("Ann's pet")) == ("Ann's pet", "")
    assert dialect.read_query(dialect.write_query("")) == ("", "")


def test_loss_is_on_completions_alone(model, tmp_path):
    config = configured("memagent-smollm2", model, "policy.lora_rank=0")
    pupil = config.load_policies(None, None)
    found = demonstrate(config, pupil, demonstrated_examples(config))
    settings = config.imitation.model_copy(update={"steps": 2, "batch": 4, "micro_batches": 2})
    args = imitation_config(settings, str(tmp_path), 3, use_cpu=True)
    trainer = make_trainer(pupil.own, found, settings, args)
    first = draw_batches(found, 2, 4, 3)[:4]
    rows = trainer.train_dataset.select(range(4))
    for row, one in zip(rows, first, strict=True):
        asked = len(one.prompt_ids)
        assert row["input_ids"] == [*one.prompt_ids, *one.completion_ids]
        assert row["labels"] == [IGNORED] * asked + list(one.completion_ids)
    losses, tokens = 0.0, 0
    with torch.no_grad():
        for one in first:
            ids = torch.tensor([[*one.prompt_ids, *one.completion_ids]])
            logits = pupil.own.model(ids).logits[0, len(one.prompt_ids) - 1 : -1]
            losses += cross_entropy(
                logits, torch.tensor(one.completion_ids), reduction="sum"
            ).item()
            tokens += len(one.completion_ids)
    trainer.train()
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(logged) == 2 and logged[0] == pytest.approx(losses / tokens, rel=1e-3)


def test_the_order_of_demonstrations_follows_from_the_seed_and_each_role_comes_as_often():
    given = [
        Demonstration("update" if number < 6 else "answer", (0,) * number, (1,), str(number))
        for number in range(8)
    ]
    drawn = draw_batches(given, 6, 4, 0)
    assert drawn == draw_batches(given, 6, 4, 0) != draw_batches(given, 6, 4, 1)
    assert [drawn.count(one) for one in given] == [2] * 6 + [6] * 2, "each round of a role has all"
    for start in range(0, 24, 4):
        step = drawn[start : start + 4]
        assert [one.role for one in step].count("answer") == 2
        assert [len(one.prompt_ids) for one in step] == sorted(len(one.prompt_ids) for one in step)


@pytest.mark.parametrize(
    ("recipe", "setting", "role", "frequent", "share"),
    [
        ("memagent-smollm2", "unknown", "answer", "\\boxed{Unknown}", 0.2),
        ("memory-r1-smollm2", "idle", "manage", '{"op": "NOOP"}', 0.1),
    ],
)
def test_what_is_said_alike_too_often_is_thinned_out(model, recipe, setting, role, frequent, share):
    pupil = configured(recipe, model).load_policies(None, None)

    def shown(most):
        config = configured(recipe, model, f"imitation.{setting}={most}")
        found = demonstrate(config, pupil, demonstrated_examples(config))
        texts = [one.text for one in found if one.role == role]
        return len(texts), texts.count(frequent), len(found)

    said, alike, everything = shown(1)
    others = said - alike
    if setting == "unknown":
        assert said == 40 and alike > others > 4, "by chance most is not kept"
    else:
        assert alike > others / 4 > 4, "by chance a quarter to a half does nothing"
    assert shown(0) == (others, 0, everything - alike)
    few = int(others * share / (1 - share))
    assert shown(share) == (others + few, few, everything - alike + few)


class Unwritten(Quoted):
    """A dialect of one's own in which nobody has said how an operation is written."""

    write_operation = Dialect.write_operation


def test_a_dialect_need_not_write_operations_where_none_is_shown(model):
    config = configured("memagent-smollm2", model, "imitation.idle=0.1")
    pupil = config.load_policies(None, None)
    pupil.own.dialect = Unwritten()
    found = demonstrate(config, pupil, demonstrated_examples(config))
    assert {one.role for one in found} == {"update", "answer"}
    managing = configured("memory-r1-smollm2", model)
    pupil = managing.load_policies(None, None)
    pupil.own.dialect = Unwritten()
    with pytest.raises(PolicyError, match="does not say how an operation is written"):
        demonstrate(managing, pupil, demonstrated_examples(managing))


def test_what_is_longer_than_its_role_allows_is_no_demonstration(model):
    config = configured("memagent-smollm2", model, "paradigm.updater.max_tokens=4")
    found = demonstrate(config, config.load_policies(None, None), demonstrated_examples(config))
    assert {one.role for one in found} == {"answer"}
    config = configured(
        "memagent-smollm2", model, "paradigm.updater.max_tokens=4", "paradigm.answer_tokens=1"
    )
    with pytest.raises(RunError, match="nothing can be demonstrated"):
        demonstrate(config, config.load_policies(None, None), demonstrated_examples(config))
    with pytest.raises(RunError, match="must divide imitation.batch"):
        imitation_config(config.imitation.model_copy(update={"micro_batches": 3}), "x", 0)


def test_recipes_of_before_there_was_imitation_load_and_imitate_nothing():
    values = load("memagent-tiny").dump()
    del values["imitation"]
    old = build(values)
    assert old.imitation.steps == 0 and not old.imitates and old == load("memagent-tiny")
