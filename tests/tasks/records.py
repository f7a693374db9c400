"""Records in the form of each published file, how to write them into a file, and what holds of every example."""

from __future__ import annotations

import csv
import json

from memfactory_core.trace import holds

ALL = 1_000_000
PLAIN = {"context": "Ann has a dog. Ben has a cat.", "question": "Who has a cat?", "answer": "Ben"}


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


def facts(**changes) -> dict:
    return {
        "context": "Here is a list of facts:\n0. A is in B.\n1. C is D.\n2. A is in E.\n",
        "questions": ["Where is A?", "What is C?"], "answers": [["E"], "D"],
        "metadata": {"source": "x_sh_6k"},
    } | changes  # fmt: skip


DOCUMENTS = "\n\n".join(f"Document {n}:\nTitle {n}\nIt is about {n}." for n in range(1, 9))
