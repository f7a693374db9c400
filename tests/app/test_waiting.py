"""Runs in the queue on the pages: what they wait for, and buttons that change their order."""

import os

import psutil

from memfactory_core.config import load
from memfactory_core.runs import database, jobs, queue
from tests.app.test_pages import open_page, words


def test_a_waiting_run_says_what_for_and_is_moved_forward_by_its_buttons(lab, monkeypatch):
    monkeypatch.setenv("MEMFACTORY_SLOTS", "cpu=1")
    busy, first, second = (
        jobs.create(lab, load("memagent-tiny", ["mode=evaluate"])).id for _ in "abc"
    )
    me = {"pid": os.getpid(), "born": psutil.Process().create_time(), "heartbeat": database.now()}
    database.update_run(lab, busy, state="running", device="cpu", started=database.now(), **me)
    for run_id in (first, second):
        queue.enqueue(lab, run_id, "cpu")
    page = open_page("runs")
    assert f"waits for cpu: held by run {busy}, 1 run before it" in words(page).replace("\\", "")
    page.button(key=f"queue.{second}.up").click().run()
    assert [run.id for run in queue.list_queue(lab)] == [second, first]
    shown = open_page("runs", run=first)
    assert f"waits for cpu: held by run {busy}, 1 run before it" in words(shown).replace("\\", "")
    shown.button(key=f"queue.{first}.first").click().run()
    assert [run.id for run in queue.list_queue(lab)] == [first, second]
    [stop] = [button for button in shown.button if button.label == "Stop"]
    stop.click().run()
    assert [run.id for run in queue.list_queue(lab)] == [second]
    assert database.get_run(lab, first).state == "stopped"
    assert "waits for" in words(open_page("overview"))
    database.update_run(lab, busy, state="finished")
    database.update_run(lab, second, state="stopped", turn=None)
