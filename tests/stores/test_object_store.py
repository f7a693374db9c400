"""A bank in an object store: its address and options are passed on, its keys are in no record."""

import json
from pathlib import Path

import pytest

from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.runs import jobs
from memfactory_core.runs.archive import export_run
from memfactory_core.runs.worker import work
from memfactory_core.stores.lance import Lance
from memfactory_core.types import Op
from tests import object_store

SECRET = "planted-secret-of-the-bucket"


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with object_store.running() as server:
        yield server


def options(server):
    return (f"endpoint={server.address}", "region=us-east-1", "allow_http=true")


def add(bank, text):
    return bank.apply(Op(action="add", text=text), 0, None).memory_id


def test_a_kept_table_in_a_bucket_is_opened_again(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Lance(uri="s3://bucket/banks/of mine", table="chat", storage=options(bucket))
    bank = store.open()
    add(bank, "the dog is called Rex"), add(bank, "the cat is called Tom")
    bank.apply(Op(action="delete", memory_id="1"), 2, None)
    bank.close()
    assert any(name.startswith("bucket/banks/of mine/chat.lance/") for name in bucket.objects)
    again = store.open()
    assert [memory.text for memory in again.all()] == ["the cat is called Tom"]
    assert [hit.memory.id for hit in again.search("words", "cat", 3)] == ["2"]
    assert add(again, "a third") == "3"
    again.close()
    assert list(tmp_path.iterdir()) == [], "nothing is written on the disk"
    signed = [seen["authorization"] for seen in bucket.headers_seen if "authorization" in seen]
    assert signed and all("planted-id" in header and SECRET not in header for header in signed)


def test_a_run_on_a_bucket_holds_its_address_and_not_its_keys(lab, bucket, tmp_path):
    settings = [
        "mode=evaluate", "policy=scripted", "evaluation.examples=2", "evaluation.samples=0",
        "paradigm.store=lance", "paradigm.store.uri=s3://bucket/runs", "paradigm.retriever=bm25",
        f"paradigm.store.storage={json.dumps(options(bucket))}",
    ]  # fmt: skip
    run = work(lab, jobs.create(lab, load("memory-r1-tiny", settings)).id)
    assert (run.state, run.reason) == ("finished", "")
    record = json.loads((Path(run.folder) / "run.json").read_text())
    store = record["config"]["paradigm"]["store"]
    assert store["uri"] == "s3://bucket/runs" and f"endpoint={bucket.address}" in store["storage"]
    export_run(lab, run, tmp_path / "bundle")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    "option",
    [
        f"aws_secret_access_key={SECRET}", f"AWS_SESSION_TOKEN={SECRET}", f"account_key={SECRET}",
        f"sas_token={SECRET}", SECRET, "region", "region=", f"=={SECRET}",
    ],
)  # fmt: skip
def test_a_key_among_the_options_is_refused_and_not_repeated(option):
    with pytest.raises(ConfigError) as refused:
        load(
            "memory-r1-tiny",
            ["paradigm.store=lance", f"paradigm.store.storage={json.dumps([option])}"],
        )
    assert SECRET not in str(refused.value) and "environment" in str(refused.value)


def test_a_store_that_is_away_is_one_clear_error(bucket):
    away = ("endpoint=http://127.0.0.1:9", "allow_http=true", "region=x", "client_max_retries=0")
    with pytest.raises(ConfigError, match="cannot open the LanceDB at s3://bucket/x") as refused:
        Lance(uri="s3://bucket/x", table="t", storage=away).open()
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500
