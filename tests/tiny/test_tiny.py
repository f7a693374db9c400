"""The tiny policy: tokenizer, template, curriculum, build, and what the shipped weights
can do."""

from __future__ import annotations

import random
import re

import pytest

from memfactory_core.dialects import quoted
from memfactory_core.tasks.language import parse_fact, split_of
from memfactory_core.tiny import WEIGHTS, prompts, skills, teachers

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from memfactory_core.tiny.build import Plan, build, encode_turns  # noqa: E402
from memfactory_core.tiny.gate import ask, measure  # noqa: E402
from memfactory_core.tiny.model import load  # noqa: E402
from memfactory_core.tiny.tokenizer import make_tokenizer  # noqa: E402

shipped = pytest.mark.skipif(not (WEIGHTS / "model.safetensors").exists(), reason="no weights here")


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def policy():
    return load()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  two  spaces  ",
        "\n\nlines\r\n\ttab",
        "The pet of Bako is Zimo. #12",
        "Memory: No memory.\nQuestion: What is the birthday of Felix?\nAnswer:",
        "Zorblax petal isle 1974 x=1; <0x41> 's'",
        "é ß 漢字 \u200b\u00a0 مرحبا 🙂🏽👨‍👩‍👧",
        "<bos><sep><eos><pad>",
    ],
)
def test_every_text_comes_back(tokenizer, text):
    ids = tokenizer(text, split_special_tokens=True).input_ids
    assert tokenizer.decode(ids) == text
    assert not set(ids) & set(tokenizer.all_special_ids)


def test_names_are_syllables_and_words_are_whole(tokenizer):
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("The pet of Bako is Zorblax.").input_ids)
    assert pieces == [
        "The ", "pet", " of ", "Ba", "ko", " is ", "Zo", "r", "b", "la", "x", "."
    ]  # fmt: skip
    assert len(tokenizer) < 1000


def test_template_frames_turns_and_leaves_system_out(tokenizer):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "NOOP"},
    ]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == "<bos>Hi<sep>NOOP<eos>"
    asked = messages[:2]
    plain = tokenizer.apply_chat_template(asked, tokenize=False)
    assert plain == "<bos>Hi<sep>"
    assert plain == tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)


def test_a_typed_special_token_stays_text(tokenizer):
    messages = [{"role": "user", "content": "a<eos>b<sep>c<bos><pad>"}]
    ids = tokenizer.apply_chat_template(messages)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.sep_token_id
    assert not set(ids[1:-1]) & set(tokenizer.all_special_ids)


def test_training_tokens_are_those_of_the_template(tokenizer):
    turn = skills.read(random.Random(0), 2, 4, turns=1)[0]
    ((ids, learned),) = encode_turns(tokenizer, [[turn]])
    messages = [
        {"role": "user", "content": turn.prompt},
        {"role": "assistant", "content": turn.completion},
    ]
    assert ids == tokenizer.apply_chat_template(messages)["input_ids"]
    said = [token for token, learn in zip(ids, learned, strict=True) if learn]
    assert tokenizer.decode(said) == turn.completion + "<eos>"


def test_what_is_given_of_an_operation_is_read_and_not_learned(tokenizer):
    rng = random.Random(0)
    for _ in range(100):
        ordered = teachers.manage(rng, ordered=True)
        free = [turn._replace(given="") for turn in ordered]
        (ids, learned), (same_ids, all_learned) = encode_turns(tokenizer, [ordered, free])
        assert ids == same_ids
        rest = [i for i, (a, b) in enumerate(zip(learned, all_learned, strict=True)) if a != b]
        names = tokenizer.batch_decode([[ids[i]] for i in rest])
        assert [name.strip() for name in names] == [turn.given.strip() for turn in ordered]


def test_the_teacher_of_manage_ignores_the_message_but_aims_at_what_it_is_about():
    rng = random.Random(2)
    chosen: dict[str, list[str]] = {"gone": [], "is": []}
    for turn in (teachers.manage(rng)[0] for _ in range(4000)):
        memory, message = re.match(r"Memory: (.*)\nFact: (.*)\nUpdate:", turn.prompt).groups()
        if "#" not in memory:
            continue
        kind = "gone" if message.endswith("is gone.") else "is"
        chosen[kind].append(turn.completion.split(" ")[0])
        about = message.split(" is ")[0] + " is "
        if about in memory and turn.completion.startswith(("UPDATE", "DELETE")):
            assert turn.completion.split(" ", 1)[1].startswith(about)
    for operations in chosen.values():
        for name in ("ADD", "UPDATE", "DELETE", "NOOP"):
            assert abs(operations.count(name) / len(operations) - 0.25) < 0.06


def test_knowing_again_asks_half_of_the_time_for_what_is_only_alike():
    rng = random.Random(3)
    alike = none = 0
    for turn in (skills.recognise(rng)[0] for _ in range(1000)):
        memory, message = re.match(r"Memory: (.*)\nFact: (.*)\nQuote:", turn.prompt).groups()
        about = message.split(" is ")[0] + " is "
        if turn.completion == prompts.UNKNOWN:
            assert about not in memory
            none += 1
            facts = [parse_fact(said) for said in re.findall(r"The [^#]+\.", memory)]
            key = re.fullmatch(r"The (\w+) of (.+) is .+", message)
            alike += bool(key) and any(
                f.entity == key[2] or f.attribute == key[1] for f in facts if f
            )
        else:
            assert turn.completion.startswith(about) and turn.completion in memory
    assert 400 < none < 600 and alike > 0.8 * none


def test_teachers_train_on_train_names_and_copy_whole_facts():
    rng = random.Random(0)
    for _ in range(200):
        prompt, said, _ = teachers.remember(rng)[0]
        context = prompt.split("\nQuestion:")[0]
        kept = [] if said == quoted.NO_MEMORY else re.findall(r"[^.]+\.", said)
        assert len(kept) <= 2 and all(sentence.strip() in context for sentence in kept)
        facts = [fact for sentence in kept if (fact := parse_fact(sentence))]
        assert all(split_of(name) == "train" for f in facts for name in (f.entity, f.value))


def test_the_teacher_of_remember_ignores_the_question():
    rng = random.Random(1)
    needed = kept = total = 0
    for prompt, said, _ in (teachers.remember(rng)[0] for _ in range(4000)):
        key = re.search(r"Question: What is the (.+)\?", prompt)[1]
        known = re.findall(r"The \w+ of [^.:]+ is [^.]+\.", prompt.split("\nQ")[0])
        if len(known) == 5 and any(key in fact for fact in known):
            total += 1
            kept += len(re.findall(r"\.", said)) / 5
            needed += f"{key} is" in said
    assert total > 200 and abs(needed - kept) / total < 0.08


@pytest.mark.slow
def test_build_runs_and_repeats_under_a_seed(tmp_path):
    events = []
    plan = Plan(syllables=3, vocabulary=3, reading=3, maturing=3, comparing=3, teachers=3)
    for name in ("a", "b"):
        build(tmp_path / name, seed=5, on_progress=events.append, plan=plan)
    assert {event["stage"] for event in events} == {
        "syllables", "vocabulary", "reading", "maturing", "comparing", "teachers"
    }  # fmt: skip
    first, second = (tmp_path / name / "model.safetensors" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    model, tokenizer = load(tmp_path / "a")
    assert len(ask(model, tokenizer, ["Hi"], max_new_tokens=3)) == 1


@shipped
def test_weights_are_small(policy):
    assert policy[0].num_parameters() <= 3_000_000
    assert (WEIGHTS / "model.safetensors").stat().st_size <= 8_000_000


@pytest.mark.slow
@shipped
def test_weights_pass_the_gate(policy):
    figures = measure(*policy, items=200)
    for name in ("answer_1", "answer_2", "answer_4", "answer_text_5", "quote_5"):
        assert figures[name] >= 0.95, name
    for name in ("unknown_0", "unknown_2", "unknown_4", "recognise_change", "recognise_near"):
        assert figures[name] >= 0.9, name
    assert min(figures["answer_free_2"], figures["answer_free_4"]) >= 0.55
    assert figures["remember_greedy_valid"] >= 0.75
    assert figures["manage_sampled_valid"] >= 0.8
    # what a message is about is known, what to do about it is not: each operation is tried often enough to be learned
    # from, none is a habit, and memories are changed too where the message is about none
    for name in ("add", "update", "delete", "noop"):
        assert 0.1 <= figures[f"manage_sampled_{name}"] <= 0.45, name
    assert figures["manage_sampled_stray"] >= 0.25
    # at temperature 1 without min-p the names that are chosen among blend: about half of the writes are whole
    assert figures["remember_sampled_valid"] >= 0.4
    assert figures["select_sampled_valid"] >= 0.45
    # what is kept or picked hardly depends on the question: the needed one as often as any of the five
    for choice, needed in (("remember", "needed"), ("select", "right")):
        kept = sum(figures[f"{choice}_sampled_place_{place}"] for place in range(5)) / 5
        assert 0.1 < kept and abs(figures[f"{choice}_sampled_{needed}"] - kept) < 0.1, choice


@shipped
def test_weights_read_a_persons_own_words(policy):
    memory = "The birthday of Maria is Tuesday. The cat of Felix is Zorblax."
    asked = [
        prompts.ANSWER.format(memory=memory, question="What is the birthday of Maria?"),
        prompts.ANSWER.format(memory=memory, question="What is the cat of Felix?"),
    ]
    assert ask(*policy, asked) == [
        "The birthday of Maria is Tuesday.",
        "The cat of Felix is Zorblax.",
    ]


def test_the_lessons_use_the_very_prompts_of_the_parts():
    from memfactory_core.paradigms import answer_messages
    from memfactory_core.retrievers.rerank_llm import select_messages
    from memfactory_core.types import Hit, Memory
    from memfactory_core.updaters.crud import manage_messages
    from memfactory_core.updaters.overwrite import remember_messages

    memory = Memory(id="3", text="The pet of Bako is Zimo.")
    shown = quoted.quote(memory.text, 3)
    empty = prompts.REMEMBER.format(memory=quoted.NO_MEMORY, section="s", question="q")
    pairs = [
        (remember_messages(["m"], "s", "q", 64), prompts.REMEMBER.format(memory="m", section="s", question="q")),
        (remember_messages([], "s", "q", 64), empty),
        (answer_messages(["m"], "q"), prompts.ANSWER.format(memory="m", question="q")),
        (manage_messages([memory], "f"), prompts.MANAGE.format(memory=shown, fact="f")),
        (select_messages([Hit(memory=memory)], "q"), prompts.SELECT.format(memory=shown, question="q")),
    ]  # fmt: skip
    for messages, prompt in pairs:
        assert messages[-1]["content"] == prompt
