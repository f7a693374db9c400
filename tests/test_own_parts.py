"""The user's own parts, from a folder and from an installed package. The parts are those of the page
docs/your-own-parts.md, taken out of it: what the page shows is what runs here."""

import json
import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from memfactory_core import component
from memfactory_core.errors import ConfigError
from tests.processes import memfactory, python

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "your-own-parts.md").read_text(encoding="utf-8")
SMALL = ["evaluation.examples=4", "evaluation.samples=0"]
EVALUATED = ["policy=scripted", "mode=evaluate", *SMALL]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def write_page(folder: Path) -> Path:
    """The page's Python files under the names that it gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = re.findall(r"Save this as `(\w+\.py)`", PAGE)
    for name, code in zip(names, blocks("python"), strict=True):
        (folder / name).write_text(code)
    return folder


@pytest.fixture
def own(tmp_path):
    """A folder with the page's parts."""
    return write_page(tmp_path / "own")


def printed(code: str, **more) -> str:
    done = python("-c", code, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def sets(*assignments: str) -> list[str]:
    return [word for assignment in assignments for word in ("--set", assignment)]


def test_parts_of_a_folder_are_kinds(own):
    done = memfactory("kinds", "--json", MEMFACTORY_PARTS=own)
    found = json.loads(done.stdout)
    assert found["retrievers"]["longest"] == "The longest memories, whatever the question."
    assert found["rewards"]["brief"] == (
        "Share of the written memories that are short. From 0 to 1; only where something was written."
    )
    assert "brief" not in json.loads(memfactory("kinds", "--json").stdout)["rewards"]


def test_every_table_of_the_page_is_a_recipe(own):
    tables = [text for text in blocks("toml") if "[reward]" in text]
    code = (
        "import sys, tomllib; from memfactory_core.config import build, load, read\n"
        "from memfactory_core.config import RunConfig\n"
        "for text in sys.argv[1:]:\n"
        "    built = build(read('memagent-tiny') | tomllib.loads(text))\n"
        "    assert build(tomllib.loads(built.to_toml())) == built\n"
        "    print({n: type(e).__name__ for n, e in built.reward.items()})\n"
        "config = load('memagent-tiny', ['paradigm.retriever=longest', 'paradigm.retriever.top_k=2'])\n"
        "assert build(config.dump()) == config and config.paradigm.retriever.top_k == 2"
    )
    done = python("-c", code, *tables, MEMFACTORY_PARTS=own)
    assert done.stdout.splitlines() == [
        "{'exact_match': 'float', 'brief': 'float'}", "{'exact_match': 'float', 'very_brief': 'Brief'}",
    ], done.stderr  # fmt: skip
    command = re.search(r"The same on the command line: `(.*?)`", PAGE)[1].split()
    assignments = [word for word in command if word != "--set"]
    code = "import sys; from memfactory_core.config import load; print(load('memagent-tiny', sys.argv[1:]).reward)"
    told = python("-c", code, *assignments, MEMFACTORY_PARTS=own).stdout
    assert "'very_brief': Brief(weight=0.2, most=6)" in told


def test_a_worker_reads_with_a_retriever_and_measures_by_a_reward_of_the_folder(own, tmp_path):
    """The folder is named by a relative path, and the worker stands in another folder."""
    home = tmp_path / "home" / "here"
    home.mkdir(parents=True)
    settings = [
        "paradigm.retriever=longest", "reward.brief=0.5",
        "reward.very_brief={\"kind\": \"brief\", \"most\": 1, \"weight\": 0.0}",
    ]  # fmt: skip
    done = memfactory(
        "eval", "memory-r1-tiny", *sets(*EVALUATED, *settings), "--json", cwd=home,
        MEMFACTORY_PARTS=os.path.relpath(own, home), MEMFACTORY_RUNS=tmp_path / "lab" / "runs",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["config"]["paradigm"]["retriever"] == {"kind": "longest", "top_k": 5}
    scores = report["scores"]["after"]
    assert scores["greedy/brief"]["mean"] == 1.0 and scores["greedy/brief"]["n"] == 4
    assert scores["greedy/very_brief"]["mean"] == 0.0
    table = memfactory(
        "show", report["id"], cwd=home, MEMFACTORY_PARTS=own,
        MEMFACTORY_RUNS=tmp_path / "lab" / "runs",
    ).stdout  # fmt: skip
    assert re.search(r"^brief greedy +1\.000", table, re.MULTILINE)
    assert re.search(r"^very_brief greedy +0\.000", table, re.MULTILINE)
    gone = memfactory("show", report["id"], cwd=home, MEMFACTORY_RUNS=tmp_path / "lab" / "runs")
    assert gone.returncode == 0 and "brief greedy" in gone.stdout, "results outlive their part"


@pytest.mark.slow
def test_a_reward_of_the_folder_trains(own):
    """One step of GRPO with random weights; the reward is the part alone."""
    told = printed(
        """
import torch
from memfactory_core.config import load
from memfactory_core.policies.tiny import TinySampler
from memfactory_core.tiny.model import make_model
from memfactory_core.tiny.tokenizer import make_tokenizer
from memfactory_core.training.arguments import grpo_config
from memfactory_core.training.trainer import MemoryGRPOTrainer
import tempfile

config = load("memagent-tiny", [
    'reward={"tight": {"kind": "brief", "most": 2}}', "paradigm.updater.max_tokens=6",
    "paradigm.answer_tokens=4", "training.steps=1", "training.groups=4", "training.group_size=8",
    "training.warmup_steps=0",
])
tokenizer = make_tokenizer()
sampler = TinySampler(make_model(tokenizer, seed=0), tokenizer, seed=0, batch_size=64)
before = {n: p.detach().clone() for n, p in sampler.model.named_parameters()}
seen = []
trainer = MemoryGRPOTrainer(
    sampler, config.paradigm, config.task.examples(4, 0), config.reward, config.training,
    grpo_config(config.training, tempfile.mkdtemp(), 0, use_cpu=True, save_strategy="no"),
    on_episodes=lambda step, episodes: seen.extend(episodes),
)
trainer.train()
rewards = {round(e.reward, 3) for e in seen}
assert all(e.reward == e.scores.get("tight", 0.0) for e in seen) and len(rewards) > 1, rewards
moved = sum(not torch.equal(p, before[n]) for n, p in sampler.model.named_parameters())
log = trainer.state.log_history[0]
print(moved == len(before), "score/tight" in log, "score/brief" in log, 0 < log["reward"] <= log["score/tight"])
""",
        MEMFACTORY_PARTS=own,
    )
    assert told.splitlines()[-1] == "True True True True"


def test_a_reward_of_the_folder_is_in_compose_and_on_the_pages(own, tmp_path):
    told = printed(
        """
from streamlit.testing.v1 import AppTest
from memfactory_core import config
from memfactory_core.runs import database, jobs, recording, worker

engine = database.connect(jobs.database_url())
page = AppTest.from_file("app/main.py", default_timeout=60).run()
page.switch_page("../pages/compose.py").run()
chosen = page.multiselect(key="memagent-tiny.0.reward.parts")
assert "brief" in chosen.options or "Brief writes" in chosen.options, chosen.options
chosen.set_value(["exact_match", "brief"]).run()
page.number_input(key="memagent-tiny.0.reward.brief").set_value(0.3).run()
page.number_input(key="memagent-tiny.0.reward.brief.most").set_value(7).run()
assert not page.exception and not page.error
shell = next(code.value for code in page.code if code.language == "bash")
assert "brief" in shell and "7" in shell and "0.3" in shell, shell
page.number_input(key="memagent-tiny.0.reward.brief.most").set_value(12).run()
file = next(code.value for code in page.code if code.language == "toml")
assert "brief = 0.3" in file, file
small = ["reward.brief=0.3", "evaluation.examples=3", "evaluation.samples=0"]
evaluated = jobs.create(engine, config.load("memagent-tiny", [*small, "policy=scripted", "mode=evaluate"]))
worker.work(engine, evaluated.id)
trained = jobs.create(engine, config.load("memagent-tiny", small))
for step in (1, 2, 3):
    recording.save_metrics(engine, trained.id, step, {"reward": 0.5, "score/brief": step / 4})
shown = []
for run in (evaluated, trained):
    page = AppTest.from_file("app/main.py", default_timeout=60).run()
    page.switch_page("../pages/runs.py")
    page.query_params["run"] = run.id
    page.run()
    assert not page.exception, page.exception
    shown.append(page)
tables = " ".join(str(table.value) for table in shown[0].table)
assert "Brief writes" in tables and "100%" in tables, tables
charts = [str(chart.proto) for chart in shown[1].get("plotly_chart")]
assert any("Brief writes: 25% to 75% (step 1 to 3)" in chart for chart in charts)
print("shown")
""",
        MEMFACTORY_PARTS=own,
        MEMFACTORY_RUNS=tmp_path / "runs",
    )
    assert told.splitlines()[-1] == "shown"


def test_an_installed_package_brings_its_parts(tmp_path):
    table = tomllib.loads(next(text for text in blocks("toml") if "entry-points" in text))
    (name, module), *_ = table["project"]["entry-points"]["memfactory.parts"].items()
    package = write_page(tmp_path / module)
    (package / "__init__.py").write_text("")
    info = tmp_path / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[memfactory.parts]\n{name} = {module}\n")
    found = json.loads(memfactory("kinds", "--json", PYTHONPATH=tmp_path).stdout)
    assert "longest" in found["retrievers"] and "brief" in found["rewards"]
    (package / "longest.py").write_text("import nothing_like_this\n")
    done = memfactory("kinds", PYTHONPATH=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert (
        "entry point mine = my_parts (group memfactory.parts) of the package my_parts"
        in done.stderr
    )
    assert "No module named 'nothing_like_this'" in done.stderr


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import os\n\nimport nothing_like_this\n", "line 3: ModuleNotFoundError: No module named"),
        ("raise ValueError('two\\nlines')\n", "line 1: ValueError: two lines"),
        ("import sys\nsys.exit()\n", "line 2: SystemExit"),
        ("from memfactory_core.retrievers import Retriever\n\n\n"
         "class A(Retriever, kind='a'):\n    top_k: nonsense\n", "line 5: NameError: name 'nonsense'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["bad.py", "bad/__init__.py"])
def test_a_broken_file_is_named_in_one_line(source, told, name, registry, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMFACTORY_PARTS", str(tmp_path))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(source)
    for family in ("stores", "rewards"):
        with pytest.raises(ConfigError) as refusal:
            component.kinds(family)
        assert str(refusal.value).startswith(f"the part {tmp_path / name} cannot be used: {told}")
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("command", [["kinds"], ["eval", "memagent-tiny"]])
def test_a_broken_file_is_one_line_of_the_command_line(command, tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    done = memfactory(*command, MEMFACTORY_PARTS=tmp_path, MEMFACTORY_RUNS=tmp_path / "runs")
    assert done.returncode == 2 and done.stderr == (
        f"memfactory: the part {tmp_path / 'bad.py'} cannot be used: line 1: ZeroDivisionError: division by zero\n"
    )


def test_two_parts_of_one_name_are_refused_with_both_places(own, tmp_path):
    again = tmp_path / "again" / "copy.py"
    again.parent.mkdir()
    shutil.copy(own / "longest.py", again)
    both = os.pathsep.join([str(own), str(again.parent)])
    done = memfactory("kinds", MEMFACTORY_PARTS=both)
    assert done.returncode == 2 and done.stderr == (
        f"memfactory: two retrievers are called 'longest': {own / 'longest.py'} and {again}; rename one\n"
    )
    again.write_text(again.read_text().replace('kind="longest"', 'kind="bm25"'))
    done = memfactory("kinds", "retrievers", MEMFACTORY_PARTS=again.parent)
    assert done.returncode == 2 and "two retrievers are called 'bm25': " in done.stderr
    assert str(again) in done.stderr and "bm25.py" in done.stderr


def test_a_folder_that_is_not_there_is_named(tmp_path):
    done = memfactory("kinds", MEMFACTORY_PARTS=tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr == (
        f"memfactory: MEMFACTORY_PARTS names {tmp_path / 'nowhere'}, which is no folder: make it, or mend it\n"
    )


def test_files_of_one_name_and_files_that_use_each_other(own, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "_words.py").write_text("TITLE = 'From a sibling'\n")
    (other / "longest.py").write_text(
        "from memfactory_core.rewards import Reward\nfrom . import _words\n\n\n"
        "class Sibling(Reward, kind='sibling'):\n    '''Uses a sibling.'''\n\n    title = _words.TITLE\n\n"
        "    def measure(self, episode):\n        return 0.0\n"
    )
    both = os.pathsep.join([str(own), "", str(other)])
    found = json.loads(memfactory("kinds", "--json", MEMFACTORY_PARTS=both).stdout)
    assert "longest" in found["retrievers"] and "sibling" in found["rewards"]


def test_an_open_lab_knows_a_new_file_and_a_mended_one(own):
    code = (
        "import os, pathlib; from memfactory_core.component import kinds\n"
        "from memfactory_core.errors import ConfigError\n"
        "folder = pathlib.Path(os.environ['MEMFACTORY_PARTS'])\n"
        "assert 'late' not in kinds('rewards')\n"
        "good = (folder / 'brief.py').read_text().replace('kind=\"brief\"', 'kind=\"late\"')\n"
        "(folder / 'late.py').write_text('1 / 0')\n"
        "try:\n    kinds('rewards')\nexcept ConfigError as error:\n    print('late.py' in str(error))\n"
        "(folder / 'late.py').write_text(good)\n"
        "print('late' in kinds('rewards'))"
    )
    assert printed(code, MEMFACTORY_PARTS=own).split() == ["True", "True"]
