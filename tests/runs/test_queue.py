"""Runs wait for their device in an order that can be changed, and no device takes more than it has slots for."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from memfactory_core.cli.main import main
from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, devices, jobs, queue
from memfactory_core.runs.tables import WORKING
from tests.conftest import ON_BOTH
from tests.misbehaving import make, prepare, until

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=2", "evaluation.samples=0"]


def made(lab, count):
    return [jobs.create(lab, load("memagent-tiny", SCRIPTED)).id for _ in range(count)]


def order(lab):
    return [run.id for run in queue.list_queue(lab)]


@pytest.fixture
def one_slot(monkeypatch):
    monkeypatch.setenv("MEMFACTORY_SLOTS", "cpu=1")


@pytest.fixture
def busy(lab, tmp_path, monkeypatch, registry, one_slot):
    """A run that holds the only slot until it is stopped."""
    prepare(tmp_path / "parts")
    monkeypatch.setenv("MEMFACTORY_PARTS", str(tmp_path / "parts"))
    run = jobs.start(lab, make(lab, tmp_path / "parts", "wait"))
    until((tmp_path / "parts" / "reached").exists)
    yield run.id
    jobs.stop(lab, run.id, patience=0.0)


def call(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["memfactory", *words])
    try:
        main()
    except SystemExit as ended:
        assert ended.code in (0, 2)
    return capsys.readouterr()


def test_a_run_waits_with_words_and_starts_when_the_one_before_it_ends_without_anybody_looking(
    lab, busy, monkeypatch, capsys
):
    first, second, third = made(lab, 3)
    for run_id in (first, second, third):
        waiting = jobs.start(lab, database.get_run(lab, run_id))
        assert (waiting.state, waiting.pid, waiting.device) == ("queued", None, "cpu")
    said = queue.describe_wait(lab, database.get_run(lab, second))
    assert said == f"waits for cpu: held by run {busy}, 1 run before it"
    with pytest.raises(RunError, match=f"run {first} is queued already: waits for cpu: held by"):
        jobs.start(lab, database.get_run(lab, first))
    shown = json.loads(call(monkeypatch, capsys, "queue", "--json").out)
    assert shown["devices"][0] == {"device": "cpu", "slots": 1, "runs": [busy]}
    assert [run["id"] for run in shown["queue"]] == [first, second, third]
    assert call(monkeypatch, capsys, "queue", third, "--first").out.splitlines()[0] == (
        f"cpu  1 of 1 in use  {busy}"
    )
    assert order(lab) == [third, first, second]
    assert jobs.stop(lab, second).state == "stopped"
    left = database.get_run(lab, second)
    assert (left.turn, left.elapsed(database.now())) == (None, 0.0)

    jobs.request_stop(lab, busy, patience=0.0)  # its supervisor starts the next one
    until(lambda: all(database.get_run(lab, run).state == "finished" for run in (first, third)), 60)
    ran = [database.get_run(lab, run_id) for run_id in (busy, third, first)]
    assert ran[0].ended <= ran[1].started and ran[1].ended <= ran[2].started
    assert (ran[1].device, ran[1].turn) == ("cpu", None)


def test_a_stopped_run_is_resumed_into_the_queue_and_remembers_its_time(lab, busy):
    [run_id] = made(lab, 1)
    database.update_run(lab, run_id, state="stopped", started=1000.0, ended=1300.0)
    waiting = jobs.start(lab, database.get_run(lab, run_id))
    assert (waiting.state, waiting.elapsed(database.now())) == ("queued", 300.0)
    stopped = jobs.request_stop(lab, run_id)
    assert (stopped.state, stopped.elapsed(database.now())) == ("stopped", 300.0)


@ON_BOTH
def test_of_many_that_look_at_once_each_run_is_taken_once_and_no_slot_twice(lab, monkeypatch):
    monkeypatch.setenv("MEMFACTORY_SLOTS", "cpu=3")
    for run_id in made(lab, 10):
        assert queue.enqueue(lab, run_id, "cpu")
    begin, taken = threading.Barrier(8), []

    def look():
        engine = database.connect(jobs.database_url())
        begin.wait()
        while run_id := queue.take_next(engine):
            taken.append(run_id)

    lookers = [threading.Thread(target=look) for _ in range(8)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    working = [run.id for run in database.active_runs(lab) if run.state in WORKING]
    assert len(taken) == len(set(taken)) == 3
    assert sorted(taken) == sorted(working)
    assert len(order(lab)) == 7


@ON_BOTH
def test_the_order_is_changed_among_those_that_wait_for_one_device(lab):
    a, b, c, d, other = made(lab, 5)
    for run_id in (a, b, other, c, d):
        queue.enqueue(lab, run_id, "cuda" if run_id == other else "cpu")
    for run_id, where, expected in (
        (c, "first", [c, a, other, b, d]), (c, "up", [c, a, other, b, d]), (d, "up", [c, a, other, d, b]),
        (a, "down", [c, d, other, a, b]), (c, "last", [d, a, other, b, c]), (c, "down", [d, a, other, b, c]),
        (other, "first", [d, a, other, b, c]),
    ):  # fmt: skip
        queue.move(lab, run_id, where)
        assert order(lab) == expected
    jobs.request_stop(lab, a)
    with pytest.raises(RunError, match=f"run {a} is in no queue"):
        queue.move(lab, a, "first")
    assert (
        queue.describe_wait(lab, database.get_run(lab, other))
        == "waits for cuda: there is none here"
    )


def test_after_a_restart_of_the_machine_the_first_look_goes_on_with_the_queue(lab, one_slot):
    gone, waiting = made(lab, 2)
    now = database.now() - 600
    dead = {"pid": os.getpid(), "born": 1.0, "heartbeat": now, "device": "cpu"}
    database.update_run(lab, gone, state="running", **dead)
    queue.enqueue(lab, waiting, "cpu")
    database.update_run(lab, waiting, heartbeat=now)
    jobs.reap(lab)
    assert database.get_run(lab, gone).state == "lost"
    until(lambda: database.get_run(lab, waiting).state == "finished", 60)


def test_a_run_that_waits_long_is_not_lost(lab, busy):
    [run_id] = made(lab, 1)
    jobs.start(lab, database.get_run(lab, run_id))
    database.update_run(lab, run_id, heartbeat=1.0, created=1.0)
    jobs.reap(lab)
    assert database.get_run(lab, run_id).state == "queued"
    jobs.stop(lab, run_id)


def test_a_process_that_cannot_be_started_is_named_and_does_not_hold_up_the_next(lab, one_slot):
    broken, well = made(lab, 2)
    queue.enqueue(lab, broken, "cpu")
    folder = Path(database.get_run(lab, broken).folder)
    (folder / "log.txt").mkdir()
    jobs.start(lab, database.get_run(lab, well))
    failed = database.get_run(lab, broken)
    assert (failed.state, failed.reason) == (
        "failed", "cannot start a process: Is a directory",
    )  # fmt: skip
    until(lambda: database.get_run(lab, well).state == "finished", 60)


@pytest.mark.parametrize("given", ["cpu", "cpu=", "cpu=0", "cpu=-1", "cpu=x", "cpu=²", "=,cpu=1.5"])
def test_slots_that_are_no_numbers_are_one_line(lab, given, monkeypatch, capsys):
    monkeypatch.setenv("MEMFACTORY_SLOTS", given)
    said = call(monkeypatch, capsys, "queue")
    assert said.err.startswith("memfactory: MEMFACTORY_SLOTS wants device=count")
    assert said.err.count("\n") == 1


def test_slots_of_each_device(monkeypatch):
    monkeypatch.delenv("MEMFACTORY_SLOTS", raising=False)
    cores = len(os.sched_getaffinity(0))
    assert devices.count_slots()["cpu"] == min(8, max(cores // 2, min(cores, 2)))
    monkeypatch.setenv("MEMFACTORY_SLOTS", " cpu=5 , cuda:1=2,")
    slots = devices.count_slots()
    assert (slots["cpu"], slots["cuda:1"]) == (5, 2)
    assert devices.needed_device(load("memagent-tiny")) == "cuda"
    assert devices.needed_device(load("memagent-tiny", SCRIPTED)) == "cpu"


@pytest.mark.parametrize(
    "words", [("queue", "x"), ("queue", "--up"), ("queue", "x", "--up", "--down")]
)
def test_a_move_needs_a_run_and_a_direction(lab, words, monkeypatch, capsys):
    assert "to move a run name it and one of" in call(monkeypatch, capsys, *words).err


def test_a_look_that_finds_nothing_to_start_takes_no_lock(lab, one_slot):
    [run_id] = made(lab, 1)
    database.update_run(lab, run_id, state="running", device="cpu")
    [waits] = made(lab, 1)
    queue.enqueue(lab, waits, "cpu")
    import sqlite3

    held = sqlite3.connect(jobs.root() / "memfactory.db")
    held.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert queue.take_next(lab) is None
    assert time.monotonic() - began < 1
    held.close()
