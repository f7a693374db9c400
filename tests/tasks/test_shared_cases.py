"""Small inputs from public bug reports, which lie beside the project: each gives what its kind says."""

from pathlib import Path

import pytest

from memfactory_core.component import kinds
from memfactory_core.errors import ConfigError
from memfactory_core.rewards.answers import is_right
from memfactory_core.runs import jobs
from memfactory_core.runs.worker import work
from memfactory_core.scoring.retrieval import evaluate_retriever
from memfactory_core.scoring.split import held_out_examples, training_examples
from memfactory_core.types import Example
from tests.scoring.test_split import on_file
from tests.tasks.records import ALL, check_evidence

CASES = Path(__file__).parents[3] / "shared" / "cases"
KNOWN = {
    "c2_evid.json", "c3_null_evidence.json", "dupid.jsonl", "h1_oob.json", "h2_fullwiki.json",
    "h5_duptitle.json", "h6_sameid.json", "l10_oracle_order.json", "l1_abs.json", "m1_eval_fwe.json",
    "m2_eval_12800.json", "m3_niah_multivalue.json", "six.jsonl", "zh_ev.jsonl", "zh_ev2.jsonl",
}  # fmt: skip


@pytest.fixture
def cases():
    if not CASES.is_dir():
        pytest.skip(f"the cases are not here ({CASES.name}/ beside the project's folder)")
    return CASES


def read(cases, kind: str, name: str, **settings) -> list[Example]:
    examples = kinds("tasks")[kind](path=str(cases / name), **settings).examples(ALL, 0)
    check_evidence(examples)
    return examples


def test_every_case_is_tried_here(cases):
    assert {path.name for path in cases.iterdir()} == KNOWN


def test_locomo_evidence_in_every_form(cases):
    named = [example.meta["dia_ids"] for example in read(cases, "locomo", "c2_evid.json")]
    assert named == [
        ["D1:1", "D1:3"], ["D1:3"], ["D1:3"], [], ["D1:1", "D1:3"], ["D1:1"], [], ["D1:3"],
    ]  # fmt: skip
    [example] = read(cases, "locomo", "c3_null_evidence.json")
    assert example.evidence == () and example.answers == ("Rex",)


@pytest.mark.parametrize("name", ["dupid.jsonl", "h6_sameid.json"])
def test_records_with_one_id_are_all_counted(name, cases, lab):
    path, kind = str(cases / name), "jsonl" if name.endswith("l") else "hotpotqa"
    more = ["task.name=id"] if kind == "jsonl" else ["task.documents=3"]
    config = on_file(path, f"task.kind={kind}", *more, "mode=evaluate", "policy=scripted")
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason) == ("finished", "")
    scores = run.summary["after"]["greedy/exact_match"]
    assert (scores["n"], scores["clusters"]) == ((4, 4) if kind == "jsonl" else (2, 1))


def test_records_with_one_id_are_trained_on(cases, lab):
    steps = ["training.steps=1", "training.groups=4", "training.group_size=2"]
    for name, more in (("dupid.jsonl", ["task.name=id"]), ("six.jsonl", [])):
        config = on_file(str(cases / name), *more, *steps)
        assert len({example.id for example in training_examples(config)}) == 4
        assert len(held_out_examples(config)) == 1
        run = work(lab, jobs.create(lab, config).id)
        assert (run.state, run.reason, run.step) == ("finished", "", 1)


def test_hotpotqa_facts_that_no_page_states_are_left_out(cases):
    [beyond] = read(cases, "hotpotqa", "h1_oob.json", documents=3)
    assert [item.text for item in beyond.evidence] == ["Lake Azo lies in Bero."]
    assert beyond.meta["missing_evidence"] == ["Bero, sentence 7"]
    whole, fullwiki = read(cases, "hotpotqa", "h2_fullwiki.json", documents=3)
    assert len(whole.evidence) == 2 and "missing_evidence" not in whole.meta
    assert len(fullwiki.evidence) == 1
    assert fullwiki.meta["missing_evidence"] == ["Dunn, sentence 0"]
    [twice] = read(cases, "hotpotqa", "h5_duptitle.json", documents=4)
    assert len(twice.observations) == 4 and len(twice.evidence) == 2
    assert "Bero: Bero is also a name." in twice.observations


def test_longmemeval_order_and_abstention(cases):
    [order] = read(cases, "longmemeval", "l10_oracle_order.json")
    assert [text.split("User: ")[1] for text in order.observations] == [
        "I live in Bero.", "I have moved, I live in Azo now.",
    ]  # fmt: skip
    [abstain] = read(cases, "longmemeval", "l1_abs.json")
    for answer in ("Unknown.", "Not mentioned", "Unknown"):
        assert is_right(answer, abstain.questions[0]) == 1.0
    assert is_right("a red Brando", abstain.questions[0]) == 0.0 and abstain.evidence == ()


def test_memagent_golds_and_numbers(cases):
    for name, one, every in (
        ("m1_eval_fwe.json", "aaxoo", "ccpel, aaxoo and bbiru"),
        ("m3_niah_multivalue.json", "1234567", "7654321, 1234567"),
    ):
        [example] = read(cases, "memagent_file", name)
        assert is_right(one, example.questions[0]) == 0.0
        assert is_right(every, example.questions[0]) == 1.0
    with pytest.raises(ConfigError, match="holds the numbers of documents instead of their text"):
        read(cases, "memagent_file", "m2_eval_12800.json")


@pytest.mark.parametrize("name", ["zh_ev.jsonl", "zh_ev2.jsonl"])
def test_chinese_evidence_is_located_and_retrieved(name, cases):
    examples = read(cases, "jsonl", name, evidence="evidence")
    assert [example.evidence[0].observation for example in examples] == [0, 0]
    for kind in ("bm25", "dense"):
        found = evaluate_retriever(kinds("retrievers")[kind](), examples, (1,))
        assert found["all"]["recall@1"]["mean"] == 1.0
