"""Tasks that read files or make texts: what an example holds, and errors that name file, record and
field."""

from __future__ import annotations

import csv
import json
import typing
from collections import Counter

import pytest

from memfactory_core.component import kinds
from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.tasks.factconsolidation import FactConsolidation
from memfactory_core.tasks.hotpotqa import HotpotQA
from memfactory_core.tasks.jsonl import AnyFile
from memfactory_core.tasks.language import split_of
from memfactory_core.tasks.locomo import LoCoMo
from memfactory_core.tasks.longmemeval import LongMemEval
from memfactory_core.tasks.memagent_file import MemAgentFile
from memfactory_core.tasks.ruler import NOISE, Ruler
from memfactory_core.tasks.sections import cut, pack
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import words
from memfactory_core.trace import holds

ALL = 1_000_000
TESTS = typing.get_args(Ruler.model_fields["test"].annotation)


def write(folder, name: str, records) -> str:
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("\n".join(json.dumps(record) for record in records))
    elif name.endswith(".parquet"):
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(records), path)
    elif name.endswith(".csv"):
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
    else:
        path.write_text(json.dumps(records))
    return str(path)


def check_evidence(examples) -> int:
    """Every piece of evidence stands in its observation; returns how many there are."""
    for example in examples:
        for item in example.evidence:
            assert holds(example.observations[item.observation], item), (example.id, item)
    assert len({example.id for example in examples}) == len(examples)
    return sum(len(example.evidence) for example in examples)


# HotpotQA


def hotpot(**changes) -> dict:
    return {
        "question": "Where was the author of Dune born?",
        "answer": "Tacoma",
        "supporting_facts": {"title": ["Dune", "Frank Herbert"], "sent_id": [0, 1]},
        "context": {
            "title": ["Dune", "Frank Herbert", "Sand"],
            "sentences": [
                ["Dune is a novel by F. Herbert.", " It won a prize."],
                ["Frank Herbert was a writer.", " He was born in Tacoma."],
                ["Sand is small."],
            ],
        },
    } | changes


def other(number: int) -> dict:
    context = {
        "title": ["Sand", f"Other {number}"],
        "sentences": [["Sand is small."], [f"It is {number}."]],
    }
    return hotpot(context=context, supporting_facts={"title": ["Sand"], "sent_id": [0]})


@pytest.mark.parametrize("documents", [10, 50, 100])
def test_hotpotqa_fills_up_with_other_records_documents(documents, data):
    path = str(data / "hotpotqa" / "hotpot_dev_60.json")
    task = HotpotQA(path=path, documents=documents, documents_per_section=5)
    examples = task.examples(ALL, seed=0)
    assert len(examples) == 60 and check_evidence(examples) == 147
    for example in examples:
        texts = [line for observation in example.observations for line in observation.split("\n")]
        assert len(texts) == len(set(texts)) == documents
        assert len(example.observations) == documents // 5
    places = Counter(place for example in examples for place in example.meta["positions"])
    assert len(places) >= min(documents, 40), "the needed documents move about"
    assert task.examples(ALL, seed=0) == examples
    assert task.examples(ALL, seed=1) != examples
    assert [len(task.examples(count, 0)) for count in (1, 7)] == [1, 7]
    assert task.files() == [path]


def test_hotpotqa_reads_the_original_layout_alike(tmp_path):
    table = hotpot(_id="a1")
    pairs = hotpot(
        _id="a1",
        supporting_facts=[["Dune", 0], ["Frank Herbert", 1]],
        context=[list(pair) for pair in zip(*hotpot()["context"].values(), strict=True)],
    )
    one, two = (
        HotpotQA(path=write(tmp_path, name, [record]), documents=3).examples(1, 0)
        for name, record in (("a.json", table), ("b.jsonl", pairs))
    )
    assert one == two
    [example] = HotpotQA(path=write(tmp_path, "c.parquet", [table]), documents=3).examples(1, 0)
    assert example == one[0]
    assert sorted(example.observations)[0] == "Dune: Dune is a novel by F. Herbert. It won a prize."
    assert [item.text for item in example.evidence] == [
        "Dune is a novel by F. Herbert.", "He was born in Tacoma.",
    ]  # fmt: skip


def test_hotpotqa_never_takes_a_distractor_with_a_title_of_the_examples_own(tmp_path):
    records = [hotpot(), *(other(number) for number in range(4))]
    path = write(tmp_path, "a.json", records)
    for seed in range(5):
        for example in HotpotQA(path=path, documents=5).examples(ALL, seed):
            assert sum("Sand is small" in text for text in example.observations) == 1
    with pytest.raises(ConfigError, match=r"a\.json: holds 7 different documents, too few"):
        HotpotQA(path=path, documents=8).examples(ALL, 0)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (hotpot(question=""), "record 2, field 'question': is empty"),
        (hotpot(answer=None), "record 2, field 'answer': expected .*, got nothing"),
        (
            hotpot(context="text"),
            "record 2, field 'context': expected a table or a list, got 'text'",
        ),
        (
            hotpot(context={"title": ["a"], "sentences": []}),
            "field 'context': 1 titles but 0 lists",
        ),
        (hotpot(context=[["title"]]), "field 'context': expected pairs"),
        (
            hotpot(supporting_facts=[["Dune", "0"]]),
            "field 'supporting_facts': expected pairs of str and int",
        ),
        (
            hotpot(supporting_facts=[["Nobody", 0]]),
            "'supporting_facts': no document .* called 'Nobody'",
        ),
        ({"question": "x"}, "record 2, field 'context': is missing; the fields here are question"),
        ("text", "record 2: expected a table of fields, got 'text'"),
    ],
)
def test_a_broken_hotpotqa_record_is_named(record, message, tmp_path):
    path = write(tmp_path, "broken.json", [hotpot(), record])
    with pytest.raises(ConfigError, match=r"broken\.json, " + f".*{message}"):
        HotpotQA(path=path, documents=3).examples(ALL, 0)


def test_the_scripted_policy_keeps_more_evidence_than_chance_on_hotpotqa(data):
    kept = {}
    for strategy in ("overlap", "random", "clairvoyant"):
        path = data / "hotpotqa" / "hotpot_dev_60.json"
        config = load("hotpotqa-scripted", [f"task.path={path}", f"policy.strategy={strategy}"])
        examples = config.held_out.examples(60, 1, "heldout")
        summary = evaluate(config.paradigm, config.policy.load(), examples, config.reward)
        kept[strategy] = summary["greedy"]["kept"]
    assert kept["clairvoyant"]["mean"] == 1.0, "the pipeline itself loses no evidence"
    assert kept["random"]["high"] < 0.3 < kept["overlap"]["low"]


def test_sentences_end_where_people_end_them():
    for text in (
        "He moved to St. Louis in 1901.",
        "Henry J. Kaiser and K. A. Applegate met Dr. Robotnik.",
        "Edward Wood Jr. (1924) worked for Apple Inc. for the U.S. Army.",
        "It weighs approx. five pounds (est. 2.3 kg).",
        "12. The capital of France is Paris.",
        "Opus No. 5 is on Yahoo! now.",
    ):
        assert split_sentences(text) == [text]
    assert split_sentences('He said "no." Then he left! Why? Nobody knows') == [
        'He said "no."', "Then he left!", "Why?", "Nobody knows",
    ]  # fmt: skip
    assert split_sentences("my dog is rex. my cat is tom.\nline") == [
        "my dog is rex.",
        "my cat is tom.",
        "line",
    ]
    assert split_sentences("The pet of Bako is Zimo. Bako met Rilo.") == [
        "The pet of Bako is Zimo.",
        "Bako met Rilo.",
    ]
    assert split_sentences("It began in World War I. He died in 1918. ") == [
        "It began in World War I.", "He died in 1918.",
    ]  # fmt: skip


# LoCoMo


def locomo(**changes) -> dict:
    turn = {"speaker": "Ann", "dia_id": "D1:1", "text": "I got a dog."}
    picture = {"blip_caption": "a dog"}
    conversation = {
        "speaker_a": "Ann", "speaker_b": "Ben",
        "session_1_date_time": "1 May 2023",
        "session_1": [turn, turn | {"speaker": "Ben", "dia_id": "D1:2", "text": "Nice!"} | picture],
        "session_2_date_time": "2 May 2023", "session_2": [],
        "session_10_date_time": "9 May 2023",
        "session_10": [{"speaker": "Ann", "dia_id": "D10:1", "text": "He is called Rex."}],
        "session_11_date_time": "nothing said",
    }  # fmt: skip
    question = {
        "question": "Which year?",
        "answer": 2023,
        "evidence": ["D1:1; D10:1"],
        "category": 2,
    }
    trap = {
        "question": "Ben's cat?",
        "adversarial_answer": "Tom",
        "evidence": ["D:1:2", "D", "D7:7"],
        "category": 5,
    }
    return {"sample_id": "conv-1", "conversation": conversation, "qa": [question, trap]} | changes


def test_locomo_reads_sessions_in_the_order_of_their_numbers(tmp_path):
    path = write(tmp_path, "a.json", [locomo()])
    [example] = LoCoMo(path=path).examples(ALL, 0)
    assert example.observations == (
        "[1 May 2023] Ann: I got a dog.\nBen: Nice! [picture: a dog]",
        "[9 May 2023] Ann: He is called Rex.",
    )
    assert example.answers == ("2023",)
    assert [(item.text, item.observation) for item in example.evidence] == [
        ("Ann: I got a dog.", 0), ("Ann: He is called Rex.", 1),
    ]  # fmt: skip
    assert example.meta == {"category": 2, "conversation": "conv-1", "dia_ids": ["D1:1", "D10:1"]}


def test_locomo_turn_by_turn_with_traps_and_malformed_evidence(tmp_path):
    path = write(tmp_path, "a.json", [locomo()])
    task = LoCoMo(path=path, observation="turn", categories=(5,), captions=False, dates=False)
    [example] = task.examples(ALL, 0)
    assert example.observations == ("Ann: I got a dog.", "Ben: Nice!", "Ann: He is called Rex.")
    assert (
        example.answers[0] == "Not mentioned in the conversation" and "Tom" not in example.answers
    )
    assert example.meta["adversarial_answer"] == "Tom"
    assert [(item.text, item.observation) for item in example.evidence] == [("Ben: Nice!", 1)]
    assert example.meta["missing_dia_ids"] == ["D7:7"]
    assert LoCoMo(path=path, conversations=("conv-9",)).examples(ALL, 0) == []


@pytest.mark.parametrize("observation", ["session", "turn"])
def test_locomo_as_published(observation, data):
    path = str(data / "locomo" / "locomo6.json")
    examples = LoCoMo(path=path, observation=observation).examples(ALL, 0)
    counts = Counter(example.meta["category"] for example in examples)
    assert counts == {1: 172, 2: 180, 3: 53, 4: 480}
    assert sum(not example.evidence for example in examples) == 2
    assert check_evidence(examples) > 1200
    assert all(isinstance(answer, str) for example in examples for answer in example.answers)
    every = LoCoMo(path=path, categories=(1, 2, 3, 4, 5)).examples(ALL, 0)
    assert sum(example.meta["category"] == 5 for example in every) == 272
    one = LoCoMo(path=path, conversations=("conv-26",)).examples(ALL, 0)
    assert {example.meta["conversation"] for example in one} == {"conv-26"} and len(one) == 152


def broken_locomo(change) -> dict:
    record = locomo()
    change(record)
    return record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("conversation"), "record 1, field 'conversation': is missing"),
        (
            lambda r: r["conversation"].pop("session_1_date_time"),
            "'conversation.session_1_date_time': is missing",
        ),
        (
            lambda r: r["conversation"]["session_1"][1].pop("text"),
            "record 1, turn 2, .*session_1.text': is missing",
        ),
        (lambda r: r["qa"][0].pop("answer"), "record 1, question 1, field 'qa.answer': is missing"),
        (
            lambda r: r["qa"][1].update(category="five"),
            "question 2, field 'qa.category': expected a whole number",
        ),
        (
            lambda r: r["qa"][0].update(evidence=[1]),
            "question 1, field 'qa.evidence': item 1: expected text, got 1",
        ),
    ],
)
def test_a_broken_locomo_record_is_named(change, message, tmp_path):
    path = write(tmp_path, "broken.json", [broken_locomo(change)])
    with pytest.raises(ConfigError, match=r"broken\.json, .*" + message):
        LoCoMo(path=path).examples(ALL, 0)


# LongMemEval


def longmemeval(**changes) -> dict:
    return {
        "question_id": "q1", "question_type": "single-session-user", "question": "How many cats?",
        "answer": 2, "question_date": "2023/06/01", "haystack_session_ids": ["s1", "s2"],
        "haystack_dates": ["2023/05/01", "2023/05/02"],
        "haystack_sessions": [
            [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi."}],
            [
                {"role": "user", "content": "I have two cats.", "has_answer": True},
                {"role": "assistant", "content": "Lovely.", "has_answer": False},
            ],
        ],
        "answer_session_ids": ["s2"],
    } | changes  # fmt: skip


def test_longmemeval_sessions_turns_and_evidence(tmp_path):
    path = write(tmp_path, "a.json", [longmemeval()])
    [example] = LongMemEval(path=path).examples(ALL, 0)
    assert example.observations[1] == "[2023/05/02]\nUser: I have two cats.\nAssistant: Lovely."
    assert (example.question, example.answers) == ("[2023/06/01] How many cats?", ("2",))
    [item] = example.evidence
    assert (item.text, item.observation) == ("User: I have two cats.", 1)
    [example] = LongMemEval(path=path, observation="turn", dates=False).examples(ALL, 0)
    assert len(example.observations) == 4 and example.question == "How many cats?"
    assert example.evidence[0].observation == 2
    assert LongMemEval(path=path, types=("multi-session",)).examples(ALL, 0) == []


def test_longmemeval_without_marks_and_without_an_answer(tmp_path):
    sessions = [[{"role": "user", "content": "Hello."}], [{"role": "user", "content": "Two cats."}]]
    records = [longmemeval(haystack_sessions=sessions), longmemeval(question_id="q2_abs")]
    path = write(tmp_path, "a.jsonl", records)
    whole, abstain = LongMemEval(path=path).examples(ALL, 0)
    assert [item.text for item in whole.evidence] == ["User: Two cats."]
    assert abstain.evidence == () and abstain.meta["category"] == "single-session-user"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            longmemeval(haystack_dates=["x"]),
            "record 1, field 'haystack_dates': 1 entries for 2 sessions",
        ),
        (longmemeval(answer=None), "record 1, field 'answer': expected .* got nothing"),
        (
            longmemeval(haystack_sessions=[[{"role": "user"}], []]),
            "session 1, turn 1, .*content': is missing",
        ),
    ],
)
def test_a_broken_longmemeval_record_is_named(record, message, tmp_path):
    with pytest.raises(ConfigError, match=r"broken\.json, .*" + message):
        LongMemEval(path=write(tmp_path, "broken.json", [record])).examples(ALL, 0)


# FactConsolidation


def facts(**changes) -> dict:
    return {
        "context": "Here is a list of facts:\n0. A is in B.\n1. C is D.\n2. A is in E.\n",
        "questions": ["Where is A?", "What is C?"], "answers": [["E"], "D"],
        "metadata": {"source": "x_sh_6k"},
    } | changes  # fmt: skip


def test_factconsolidation_batches_numbered_facts(tmp_path):
    path = write(tmp_path, "a.json", [facts(), facts(metadata={"source": "x_mh_6k"})])
    task = FactConsolidation(path=path, facts_per_section=2, source="sh_6k", together=False)
    first, second = task.examples(ALL, 0)
    assert first.observations == ("0. A is in B.\n1. C is D.", "2. A is in E.")
    assert (first.answers, second.answers) == (("E",), ("D",))
    [both] = FactConsolidation(path=path, source="sh_6k").examples(ALL, 0)
    assert [question.answers for question in both.questions] == [("E",), ("D",)]
    [plain, *_] = FactConsolidation(path=path, numbers=False).examples(ALL, 0)
    assert plain.observations == ("A is in B.\nC is D.\nA is in E.",)


def test_factconsolidation_as_published(data):
    path = str(data / "factconsolidation" / "conflict_resolution_small.json")
    examples = FactConsolidation(path=path).examples(ALL, 0)
    assert len(FactConsolidation(path=path, together=False).examples(ALL, 0)) == 400
    counts = {e.meta["category"].split("_", 1)[1]: len(e.questions) for e in examples}
    assert counts == {
        "mh_6k": 100, "mh_32k": 100, "sh_6k": 100, "sh_32k": 100,
    }  # fmt: skip
    for example in examples:
        lines = "\n".join(example.observations).split("\n")
        assert len(lines) == example.meta["facts"]
        assert lines[-1].split(".")[0] == str(len(lines) - 1), "no fact is lost, none is split"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (facts(context="no numbers"), "record 1, field 'context': holds no numbered facts"),
        (facts(answers=[["E"]]), "record 1, field 'answers': 1 answers for 2 questions"),
        (facts(answers=[["E"], {}]), "record 1, question 2, field 'answers': expected"),
        (facts(questions=[1, 2]), "record 1, field 'questions': item 1: expected text, got 1"),
    ],
)
def test_a_broken_factconsolidation_record_is_named(record, message, tmp_path):
    with pytest.raises(ConfigError, match=r"broken\.json, .*" + message):
        FactConsolidation(path=write(tmp_path, "broken.json", [record])).examples(ALL, 0)


# MemAgent's files

DOCUMENTS = "\n\n".join(f"Document {n}:\nTitle {n}\nIt is about {n}." for n in range(1, 9))


def test_memagent_files_json_and_parquet(tmp_path):
    evaluation = {
        "context": DOCUMENTS,
        "input": "What?",
        "answers": ["3", "three"],
        "num_docs": 8,
        "index": 0,
    }
    training = {
        "context": DOCUMENTS, "prompt": [{"role": "user", "content": "What?"}],
        "reward_model": {"ground_truth": ["3", "three"], "style": "rule"},
        "extra_info": {"index": 0, "num_docs": 8},
    }  # fmt: skip
    one = MemAgentFile(path=write(tmp_path, "a.json", [evaluation]), section=100).examples(ALL, 0)
    two = MemAgentFile(path=write(tmp_path, "a.parquet", [training]), section=100).examples(ALL, 0)
    assert one == two
    [example] = one
    assert example.answers == ("3", "three") and example.meta == {"documents": 8}
    assert "\n\n".join(example.observations) == DOCUMENTS and len(example.observations) == 4


def test_memagent_documents_are_put_into_another_order_on_request(tmp_path):
    record = {"context": DOCUMENTS, "input": "What?", "answers": ["3"]}
    path = write(tmp_path, "a.json", [record] * 3)
    orders = set()
    for example in MemAgentFile(path=path, shuffle=True).examples(ALL, 0):
        [text] = example.observations
        assert text.startswith("Document 1:\nTitle") and text.count("Document ") == 8
        assert sorted(words(text)) == sorted(words(DOCUMENTS))
        orders.add(text)
    assert len(orders) == 3


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"context": "x", "input": "q"}, "field 'answers': is missing, and so is reward_model"),
        ({"context": "x", "answers": ["a"]}, "field 'input': is missing"),
        ({"context": 3, "input": "q", "answers": ["a"]}, "field 'context': expected text, got 3"),
        ({"context": "x", "input": "q", "answers": []}, "field 'answers': is empty"),
        (
            {"context": "x", "prompt": ["q"], "answers": ["a"]},
            "field 'prompt': item 1: expected a table",
        ),
    ],
)
def test_a_broken_memagent_record_is_named(record, message, tmp_path):
    with pytest.raises(ConfigError, match=r"broken\.json, record 1, " + message):
        MemAgentFile(path=write(tmp_path, "broken.json", [record])).examples(ALL, 0)


# Any file

ROWS = [
    {
        "text": "Ann has a dog.\n\nBen has a cat.",
        "q": "Who has a cat?",
        "a": "Ben",
        "why": "Ben has a cat.",
        "k": "x",
    },
    {"text": "It rains.", "q": "How many?", "a": 3, "why": "It rains.", "k": "y"},
]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.parquet"])
def test_any_file_by_the_names_of_its_columns(name, tmp_path):
    rows = [{**row, "a": str(row["a"])} for row in ROWS] if name == "a.parquet" else ROWS
    path = write(tmp_path, name, rows)
    task = AnyFile(
        path=path,
        context="text",
        question="q",
        answers="a",
        evidence="why",
        category="k",
        section=20,
    )
    first, second = task.examples(ALL, 0)
    assert first.observations == ("Ann has a dog.", "Ben has a cat.")
    assert first.evidence[0].observation == 1 and first.meta == {"category": "x"}
    assert second.answers == ("3",)
    assert check_evidence([first, second]) == 2


def test_any_file_with_lists_and_nested_columns(tmp_path):
    record = {"turns": ["One.", "Two."], "qa": {"q": "What?", "a": ["x", 1]}, "id": 7}
    path = write(tmp_path, "a.jsonl", [record])
    [example] = AnyFile(
        path=path, context="turns", question="qa.q", answers="qa.a", name="id"
    ).examples(1, 0)
    assert (example.id, example.observations, example.answers) == (
        "7",
        ("One.", "Two."),
        ("x", "1"),
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"context": "x"}\n\n{"context": \n', "line 3: is not JSON"),
        (
            "a.jsonl",
            b'{"context": "x", "question": "q", "answer": "a"}\n{"context": "x"}',
            "line 2, field 'question': is missing",
        ),
        ("a.json", b'[{"context": "x",}]', "is not JSON: .*line 1"),
        ("a.json", b"[]", "holds no records"),
        ("a.json", b'{"context": "\xff"}', "is not UTF-8"),
        ("a.csv", b"context,question,answer\nx,q\n", "line 2: expected 3 columns"),
        ("a.csv", b"context,question,answer\nx,q,a\nx,,a\n", "line 3, field 'question': is empty"),
        ("a.csv", b'context,question,answer\nx,"q\n', "line 2: is not CSV"),
        ("a.parquet", b"not parquet", "is not a parquet file"),
        ("a.txt", b"x", "expected a file that ends in .json"),
        ("a.jsonl", None, "cannot be read: No such file or directory; set the task's path"),
    ],
)
def test_a_broken_file_is_named_with_its_line(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{name}.*{message}") as refusal:
        AnyFile(path=str(tmp_path / name)).examples(ALL, 0)
    assert "\n" not in str(refusal.value)


def test_evidence_that_no_section_states_is_an_error(tmp_path):
    path = write(tmp_path, "a.json", [{**ROWS[0], "why": "Ben has a bird."}])
    task = AnyFile(path=path, context="text", question="q", answers="a", evidence="why")
    with pytest.raises(
        ConfigError, match="record 1, field 'why': no section states 'Ben has a bird.'"
    ):
        task.examples(ALL, 0)


def test_sections_lose_nothing_and_keep_to_their_size():
    text = "\n\n".join(f"Paragraph {n}: " + "word " * (n * 7) for n in range(12))
    for size in (20, 60, 250, 10_000):
        parts = cut(text, size)
        assert all(len(part) <= size for part in parts)
        assert words(" ".join(parts)) == words(text)
    assert cut("x" * 50, 20) == ["x" * 20, "x" * 20, "x" * 10]
    assert cut("", 20) == [] and cut(" \n ", 20) == []
    assert pack(["aa", "bb", "cc"], 5) == ["aa\nbb", "cc"]


# RULER


@pytest.mark.parametrize("test", TESTS)
def test_ruler_is_seeded_and_fills_its_sections(test):
    task = Ruler(test=test, sections=5, sentences=12, chains=2)
    examples = task.examples(6, seed=3)
    assert task.examples(6, seed=3) == examples != task.examples(6, seed=4)
    check_evidence(examples)
    for example in examples:
        assert len(example.observations) == 5
        assert example.answers == (", ".join(example.meta["all_of"]),)
        text = words(" ".join(example.observations))
        assert all(gold.lower() in text for gold in example.meta["all_of"])
    assert len({example.question for example in examples}) > 1 or test.endswith("words")


def test_ruler_needles_are_one_of_many_or_all_of_one():
    [multikey] = Ruler(test="niah_multikey", items=6).examples(1, 0)
    assert " ".join(multikey.observations).count("A secret number of") == 6
    assert len(multikey.evidence) == len(multikey.meta["all_of"]) == 1
    [multivalue] = Ruler(test="niah_multivalue", items=6).examples(1, 0)
    key = multivalue.question.split()[-1].strip("?")
    assert " ".join(multivalue.observations).count(f"A secret number of {key} is") == 6
    assert len(multivalue.evidence) == len(set(multivalue.meta["all_of"])) == 6


def test_ruler_variables_can_be_followed():
    for example in Ruler(test="variable_tracking", items=5, chains=3).examples(5, 0):
        value = {}
        for line in split_sentences(" ".join(example.observations)):
            if line.startswith("VAR"):
                name, source = line.removeprefix("VAR ").rstrip(".").split(" = ")
                value[name] = value.get(source.removeprefix("VAR "), source)
        wanted = example.question.rstrip("?").split()[-1]
        assert sorted(n for n, v in value.items() if v == wanted) == sorted(example.meta["all_of"])
        assert len(value) == 18


@pytest.mark.parametrize(("alpha", "sections"), [(2.0, 4), (1.1, 20), (3.5, 1)])
def test_ruler_asks_for_the_words_that_really_are_the_most_frequent(alpha, sections):
    for example in Ruler(test="frequent_words", alpha=alpha, sections=sections).examples(5, 0):
        ranked = Counter(" ".join(example.observations).split()).most_common(5)
        assert ranked[0][0] == "..."
        assert [word for word, _ in ranked[1:4]] == example.meta["all_of"]
        assert ranked[3][1] > (ranked[4][1] if len(ranked) > 4 else 0)


def test_ruler_common_words_stand_ten_times_as_often():
    [example] = Ruler(test="common_words", common=5).examples(1, 0)
    counts = Counter(
        word for word in " ".join(example.observations).split() if not word[0].isdigit()
    )
    assert {word for word, _ in counts.most_common(5)} == set(example.meta["all_of"])
    assert set(counts.values()) == {3, 30}


def test_ruler_keeps_the_held_out_names_apart():
    for split in ("train", "heldout"):
        for example in Ruler(test="niah_multikey").examples(10, 0, split):
            assert split_of(example.question.split()[-1].strip("?")) == split
    assert not any(sentence in " ".join(NOISE[:i]) for i, sentence in enumerate(NOISE))


@pytest.mark.parametrize(
    "kind", ["hotpotqa", "locomo", "longmemeval", "factconsolidation", "memagent_file", "jsonl"]
)
def test_a_missing_file_is_one_clear_line(kind, tmp_path):
    path = str(tmp_path / "nothing.json")
    task = kinds("tasks")[kind](path=path)
    assert task.files() == [path]
    with pytest.raises(ConfigError, match=r"nothing\.json: cannot be read: No such file"):
        task.examples(1, 0)
