"""One bad row of the database must not take a list of runs down with it: the others are shown, and it is named."""

import json
import sys

import pytest

from memfactory_core.cli.main import main
from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.worker import work
from tests.app.test_pages import open_page, words

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=3", "evaluation.samples=0"]
FIGURES = {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 3}
BAD = {
    "results are no JSON": {"results": "{"},
    "results are a list": {"results": "[1, 2]"},
    "results are null": {"results": "null"},
    "results' side is a list": {"results": '{"after": [1]}'},
    "results' figure is a text": {"results": '{"after": {"greedy/exact_match": "high"}}'},
    "results' mean is a text": {
        "results": json.dumps({"after": {"greedy/kept": FIGURES | {"mean": "a"}}})
    },
    "results' mean is NaN": {
        "results": json.dumps({"after": {"greedy/kept": FIGURES | {"mean": float("nan")}}})
    },
    "results' count of texts is a text": {
        "results": json.dumps({"after": {"greedy/kept": FIGURES | {"clusters": "a"}}})
    },
    "results' count is beyond every float": {
        "results": json.dumps({"after": {"greedy/kept": FIGURES | {"n": 10**400}}})
    },
    "results' mean is beyond every float": {
        "results": json.dumps({"after": {"greedy/exact_match": FIGURES | {"mean": 10**400}}})
    },
    "config's setting has half a character as its name": {"config": '{"roles": {"\\ud800": []}}'},
    "config's roles are a number": {"config": '{"roles": 1}'},
    "config's role is a list": {"config": '{"roles": {"answer": []}}'},
    "config's paradigm is a text": {"config": '{"paradigm": "memagent"}'},
    "config's store is null": {"config": '{"paradigm": {"store": null}}'},
    "config's budget is a text": {"config": '{"paradigm": {"store": {"budget": "all"}}}'},
    "config's stages are a number": {"config": '{"training": {"stages": 1}}'},
    "config's stage has no steps": {"config": '{"training": {"steps": 9, "stages": [{}]}}'},
    "config's reward is a list": {"config": '{"reward": [1]}'},
    "config's reward has a kind that is a list": {"config": '{"reward": {"kept": {"kind": []}}}'},
    "results are nested deeply": {"results": "[" * 100_000},
    "config is no JSON": {"config": "nonsense"},
    "config is a list": {"config": "[]"},
    "config is empty": {"config": "{}"},
    "config is nested deeply": {"config": "[" * 100_000},
}
QUICK = ("results' mean is beyond every float", "results are no JSON",
          "results' mean is NaN", "results are nested deeply", "config's roles are a number",
         "config's store is null", "config is nested deeply")  # fmt: skip
"""Each opens every list and page, which takes a second."""


def run_command(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["memfactory", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 0 and said.err == "", said.err
    return said.out


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in BAD]
)
def test_lists_and_pages_survive_a_bad_run_and_name_it(lab, monkeypatch, capsys, name):
    good = work(lab, jobs.create(lab, load("memagent-tiny", [*SCRIPTED, "name=Good"])).id)
    bad = jobs.create(lab, load("memagent-tiny", [*SCRIPTED, "name=Bad"]))
    database.update_run(lab, bad.id, state="finished", ended=database.now(), **BAD[name])
    what = "settings" if "config" in BAD[name] else "results"
    fault = f"the {what} of run {bad.id} cannot be read"
    listed = run_command(monkeypatch, capsys, "ls")
    assert good.id in listed and fault in listed
    assert len(json.loads(run_command(monkeypatch, capsys, "ls", "--json"))) == 2
    assert fault in run_command(monkeypatch, capsys, "show", bad.id)
    json.loads(run_command(monkeypatch, capsys, "show", bad.id, "--json"))
    for page in ("overview", "runs"):
        assert fault in words(open_page(page)).replace("\\", "")  # escaped
    assert fault in words(open_page("runs", run=bad.id)).replace("\\", "")
    assert fault not in words(open_page("runs", run=good.id)).replace("\\", "")


def test_control_sequences_in_names_do_not_reach_the_terminal(lab, monkeypatch, capsys):
    run = jobs.create(lab, load("memagent-tiny", [*SCRIPTED, "name=a\x1b[2J\x1b]0;b\x07\u202ec"]))
    database.update_run(lab, run.id, state="finished", phase="\x1b[1A", ended=database.now())
    for command in (["ls"], ["show", run.id], ["ls", "--json"]):
        said = run_command(monkeypatch, capsys, *command)
        assert all(character.isprintable() or character == "\n" for character in said)
    assert r"a\x1b[2J" in run_command(monkeypatch, capsys, "ls")


def test_the_overview_notices_a_run_whose_process_is_gone(lab):
    run = jobs.create(lab, load("memagent-tiny", SCRIPTED))
    database.update_run(lab, run.id, state="running", pid=2**22 - 1, born=1.0)
    open_page("overview")
    assert database.get_run(lab, run.id).state == "lost"
