"""Bundles that somebody made to do harm: each is refused in one line, writes nothing anywhere, leaves no row, and
does not keep the good bundle from being imported afterwards."""

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys

import psutil
import pytest
from sqlalchemy import func, select
from sqlmodel import Session

from memfactory_core.cli.main import main
from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.tables import EpisodeRow, Table
from memfactory_core.runs.worker import work
from tests.conftest import some

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=3", "evaluation.samples=0"]
LONG = 400_000


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An exported run with three episodes, and the weights of a policy."""
    import torch
    from safetensors.torch import save_file

    place = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(place / "runs"))
        patch.delenv("MEMFACTORY_DB", raising=False)
        engine = database.connect(jobs.database_url())
        run = work(engine, jobs.create(engine, load("memagent-tiny", SCRIPTED)).id)
        folder = export_run(engine, run, place / "bundle")
    (folder / "policy").mkdir()
    (folder / "policy" / "config.json").write_text("{}")
    save_file({"w": torch.ones(3)}, folder / "policy" / "model.safetensors")
    return folder


def record(change):
    """A change of the table `run` in run.json."""

    def harm(folder):
        values = json.loads((folder / "run.json").read_text())
        change(values["run"])
        (folder / "run.json").write_text(json.dumps(values))

    return harm


def field(**values):
    return record(lambda run: run.update(values))


def without(name):
    return record(lambda run: run.pop(name))


def inside(name, change):
    """A change of the JSON that a column holds."""

    def apply(run):
        values = json.loads(run[name])
        change(values)
        run[name] = json.dumps(values)

    return record(apply)


def write(name, content):
    def harm(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return harm


def link(name, target):
    def harm(folder):
        place = folder / name
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    return harm


def episode(change):
    """A change of the first episode's line: phase, step, body."""

    def harm(folder):
        with gzip.open(folder / "episodes.jsonl.gz", "rt") as file:
            lines = [json.loads(line) for line in file]
        lines[0] = change(lines[0]) or lines[0]
        with gzip.open(folder / "episodes.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    return harm


def body(**values):
    return episode(lambda line: line[2].update(values))


def packed(content):
    return write("episodes.jsonl.gz", gzip.compress(content))


def tensor(value):
    def harm(folder):
        import torch
        from safetensors.torch import save_file

        save_file({"w": torch.tensor([1.0, value])}, folder / "policy" / "model.safetensors")

    return harm


def cut(name, share=0.5):
    def harm(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return harm


def same_id(folder):
    with gzip.open(folder / "episodes.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file]
    lines[1][2]["id"] = lines[0][2]["id"]
    packed("".join(json.dumps(line) + "\n" for line in lines).encode())(folder)


def bad_socket(folder):
    # a socket's path may not be long: bound from within
    before = os.getcwd()
    os.chdir(folder)
    try:
        socket.socket(socket.AF_UNIX).bind("metrics.json.sock")
    finally:
        os.chdir(before)


FIGURES = {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 3}
DEEP = "[" * LONG + "]" * LONG
HOSTILE = {
    "id climbs out": field(id="../../x"),
    "id is absolute": field(id="/etc/x"),
    "id is empty": field(id=""),
    "id is a dot": field(id="."),
    "id is two dots": field(id=".."),
    "id holds NUL": field(id="a\0b"),
    "id holds a line end": field(id="a\n"),
    "id is a number": field(id=7),
    "id is missing": without("id"),
    "id is very long": field(id="x" * LONG),
    "name is a list": field(name=["x"]),
    "name is empty": field(name=""),
    "name is very long": field(name="x" * LONG),
    "name holds half a surrogate pair": field(name="\ud800"),
    "mode is unknown": field(mode="rm -rf"),
    "mode is another than the settings'": field(mode="retrieve"),
    "created is a text": field(created="yesterday"),
    "created is NaN": field(created=float("nan")),
    "created is infinite": field(created=float("inf")),
    "step is beyond 64 bits": field(step=10**30),
    "step is negative": field(step=-1),
    "config is no JSON": field(config="{"),
    "config is a list": field(config="[]"),
    "config is a table, not a text": field(config={"name": "x"}),
    "config is empty": field(config="{}"),
    "config is nested deeply": field(config=DEEP),
    "config names an unknown part": inside("config", lambda c: c.update(task="nothing")),
    "config's part has a list for a kind": inside("config", lambda c: c.update(task={"kind": []})),
    "config's part has a table for a kind": inside("config", lambda c: c["policy"].update(kind={})),
    "config's seed is too large": inside("config", lambda c: c.update(seed=2**40)),
    "config's reward is NaN": inside(
        "config", lambda c: c["reward"].update(exact_match=float("nan"))
    ),
    "results are no JSON": field(results="nonsense"),
    "results are a list": field(results="[1]"),
    "results are a number": field(results=5),
    "results' side is a list": field(results='{"after": [1]}'),
    "results' side is unknown": field(results='{"during": {}}'),
    "results' figure is a text": field(results='{"after": {"greedy/exact_match": "high"}}'),
    "results' mean is null": field(
        results=json.dumps({"after": {"greedy/f1": FIGURES | {"mean": None}}})
    ),
    "results' mean is NaN": field(
        results=json.dumps({"after": {"greedy/f1": FIGURES | {"mean": float("nan")}}})
    ),
    "results' name has no mode": field(results=json.dumps({"after": {"f1": FIGURES}})),
    "results' name is a control sequence": field(
        results=json.dumps({"after": {"greedy/\x1b[2J": FIGURES}})
    ),
    "the record is a list": write("run.json", "[]"),
    "the record is empty": write("run.json", ""),
    "the record is not UTF-8": write("run.json", b"\xff\xfe{}"),
    "the record is nested deeply": write("run.json", '{"run":' + DEEP + "}"),
    "the record is huge": write("run.json", '{"run": "' + "x" * 5_000_000 + '"}'),
    "the record's judge is a text": lambda folder: (folder / "run.json").write_text(
        json.dumps(json.loads((folder / "run.json").read_text()) | {"judge": "me"})
    ),
    "the record is a link": link("run.json", "/etc/passwd"),
    "the record is a folder": lambda folder: (
        (folder / "run.json").unlink(),
        (folder / "run.json").mkdir(),
    ),
    "curves are a link": link("metrics.json", "/etc/hostname"),
    "curves are a table": write("metrics.json", '{"a": 1}'),
    "a point is too short": write("metrics.json", '[["reward", 1]]'),
    "a point's value is NaN": write("metrics.json", '[["reward", 1, NaN]]'),
    "a point's value is infinite": write("metrics.json", '[["reward", 1, 1e999]]'),
    "a point's name is a number": write("metrics.json", "[[1, 1, 1]]"),
    "a point's step is huge": write("metrics.json", f'[["reward", {10**20}, 1]]'),
    "curves are not UTF-8": write("metrics.json", b'[["\xff", 1, 1]]'),
    "episodes are no gzip": write("episodes.jsonl.gz", "plain"),
    "episodes are cut short": cut("episodes.jsonl.gz"),
    "episodes are a bomb": packed(b" " * 200_000_000),
    "episodes are a bomb of lines": packed(b"\n" * 200_000_000),
    "an episode is no JSON": packed(b"{\n"),
    "an episode is not UTF-8": packed(b'["train", 1, {"\xff": 1}]\n'),
    "an episode is nested deeply": packed(f'["train", 1, {DEEP}]\n'.encode()),
    "an episode is a number": packed(b"7\n"),
    "an episode's phase is unknown": episode(lambda line: ["../train", *line[1:]]),
    "an episode's step is a text": episode(lambda line: [line[0], "one", line[2]]),
    "an episode has another shape": episode(lambda line: [line[0], line[1], {"id": "x"}]),
    "an episode's events are unknown": body(events=[{"kind": "exec", "seq": 0}]),
    "an episode's reward is NaN": body(reward=float("nan")),
    "an episode's score is infinite": body(scores={"exact_match": float("inf")}),
    "an episode's answer is half a surrogate pair": body(answer="\udfff"),
    "an episode's event number is huge": body(
        events=[{"kind": "wrote", "seq": 10**25, "action": "add", "memory_id": "1", "after": "x"}]
    ),
    "two episodes have one id": same_id,
    "a file that climbs out": link("policy", "/etc"),
    "a pickle beside the weights": write("policy/training_args.bin", b"\x80\x04."),
    "code beside the weights": write("policy/modeling_x.py", "import os"),
    "a link beside the weights": link("policy/tokenizer.json", "/etc/passwd"),
    "a folder beside the weights": write("policy/deep/config.json", "{}"),
    "a file of the lab": write("memfactory.db", "x"),
    "a stop flag": write("stop", ""),
    "a log": write("log.txt", "error: your disk is full"),
    "a hidden file": write(".bashrc", "rm -rf"),
    "a pipe": lambda folder: os.mkfifo(folder / "policy" / "config.json.json"),
    "a socket": bad_socket,
    "weights are cut short": cut("policy/model.safetensors"),
    "weights hold NaN": tensor(float("nan")),
    "weights hold infinity": tensor(float("inf")),
    "weights are a text": write("policy/model.safetensors", "hello, hello, hello"),
    "weights' header is endless": write("policy/model.safetensors", b"\xff" * 64),
    "the policy's settings are no JSON": write("policy/config.json", "{"),
    "too many files": lambda folder: [
        (folder / "policy" / f"{number}.json").write_text("{}") for number in range(300)
    ],
    "no record": lambda folder: (folder / "run.json").unlink(),
    "nothing": lambda folder: shutil.rmtree(folder),
}


def snapshot(place):
    return {
        str(path.relative_to(place)): path.read_bytes() if path.is_file() else None
        for path in place.rglob("*")
        if "memfactory.db" not in path.name
    }


def rows(lab):
    with Session(lab) as session:
        tables = Table.metadata.sorted_tables
        return sum(
            session.execute(select(func.count()).select_from(t)).scalar_one() for t in tables
        )


def test_the_corpus_is_large_enough():
    assert len(HOSTILE) >= 45


@pytest.mark.parametrize("name", some(HOSTILE))
def test_a_hostile_bundle_is_refused_in_one_line_and_leaves_nothing(
    lab, good, tmp_path, monkeypatch, capsys, name
):
    folder = shutil.copytree(good, tmp_path / "bundle")
    HOSTILE[name](folder)
    others = snapshot(tmp_path / "runs")
    monkeypatch.setattr(sys, "argv", ["memfactory", "import", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2, said.err
    assert said.out == "" and said.err.startswith("memfactory: ")
    assert said.err.count("\n") == 1 and len(said.err) < 2000
    assert said.err[:-1].isprintable(), "no control sequence reaches the terminal"
    assert snapshot(tmp_path / "runs") == others == {}
    assert {path.name for path in tmp_path.iterdir()} <= {"bundle", "runs"}
    assert rows(lab) == 0
    assert import_run(lab, good).state == "finished"


def test_the_good_bundle_is_imported_whole_once(lab, good, tmp_path):
    run = import_run(lab, good)
    assert import_run(lab, good).id == run.id
    copied = shutil.copytree(good, tmp_path / "copy")
    assert import_run(lab, copied).id == run.id, "where it lies is not part of it"
    with Session(lab) as session:
        assert len(session.exec(select(EpisodeRow)).all()) == 3
    assert (run.fault, run.origin) == ("", json.loads((good / "run.json").read_text())["run"]["id"])
    field(name="Another name")(copied)
    other = import_run(lab, copied)
    assert (other.id != run.id, other.origin) == (True, run.origin)


def test_nothing_that_names_a_process_or_a_place_is_taken_over(lab, good, tmp_path):
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    born = psutil.Process(stranger.pid).create_time()
    folder = shutil.copytree(good, tmp_path / "bundle")
    field(
        state="running", pid=stranger.pid, born=born, token="theirs", folder="/etc", heartbeat=9e9
    )(folder)
    run = import_run(lab, folder)
    assert (run.state, run.pid, run.born, run.heartbeat) == ("stopped", None, None, None)
    assert run.reason == "it was running when it was exported"
    assert run.folder == str(jobs.root() / run.id) and run.token != "theirs"
    database.update_run(lab, run.id, state="running")
    jobs.stop(lab, run.id, patience=0.0)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_an_import_that_was_killed_half_way_is_done_again(lab, good):
    run = import_run(lab, good)
    other = jobs.root() / run.id
    with lab.begin() as connection:
        for table in Table.metadata.sorted_tables:
            connection.execute(table.delete())
    (other / "half").write_text("of a killed import")
    again = import_run(lab, good)
    assert again.id == run.id and not (other / "half").exists()
