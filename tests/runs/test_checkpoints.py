"""A damaged checkpoint is seen whatever of it is missing, put aside, and the run goes on from the one before."""

import json
import shutil
from pathlib import Path

import pytest

from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.weights import SEAL, checkpoints, damage, last_checkpoint, seal, tidy
from memfactory_core.runs.worker import Work, work
from tests.policies.test_policies import save_model
from tests.runs.test_resume import HF, SMALL, STEPS, rows_of


class Killed(Work):
    """Ends at the last step as if it had been killed: the checkpoints of the two steps before are there."""

    def keep_metrics(self, step, logs):
        super().keep_metrics(step, logs)
        if step == STEPS:
            raise MemoryError("as if killed")


def kill(lab, place):
    model = save_model(place / "model", "qwen3")
    settings = [
        *SMALL,
        *HF,
        f"policy.model={model}",
        "training.save_every=1",
        "evaluation.samples=0",
    ]
    run = jobs.create(lab, load("memagent-tiny", settings))
    with pytest.raises(MemoryError):
        Killed(lab, run).carry_out()
    return database.get_run(lab, run.id)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder of a run with two whole checkpoints."""
    place = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(place / "runs"))
        patch.delenv("MEMFACTORY_DB", raising=False)
        engine = database.connect(jobs.database_url())
        return Path(kill(engine, place).folder)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_a_little(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def change_inside(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


NEWEST = STEPS - 1


@pytest.mark.parametrize("harm", [cut, cut_a_little, empty, Path.unlink])
def test_any_file_that_is_cut_or_missing_makes_a_checkpoint_damaged(kept, tmp_path, harm):
    whole = kept / "checkpoints" / f"checkpoint-{NEWEST}"
    names = {path.name for path in whole.iterdir()}
    assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"} <= names
    assert {"trainer_state.json", "config.json", "tokenizer.json", SEAL} <= names
    assert list(checkpoints(kept)) == [NEWEST, NEWEST - 1]
    for name in names:
        folder = tmp_path / f"{harm.__name__}-{name}"
        shutil.copytree(kept, folder)
        harm(folder / "checkpoints" / whole.name / name)
        if name == SEAL and harm is Path.unlink:
            continue  # as an older version leaves them
        assert list(checkpoints(folder)) == [NEWEST - 1], name
        assert last_checkpoint(folder).name == f"checkpoint-{NEWEST - 1}"


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"]
)
@pytest.mark.parametrize("harm", [cut, cut_a_little, empty, Path.unlink])
def test_what_training_needs_is_looked_at_without_a_seal_too(kept, tmp_path, harm, name):
    folder = shutil.copytree(kept / "checkpoints" / f"checkpoint-{NEWEST}", tmp_path / "one")
    (folder / SEAL).unlink()
    assert damage(folder) == ""
    harm(folder / name)
    assert name in damage(folder) or damage(folder) == "it has no weights"


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth"])
def test_a_byte_that_changed_inside_is_seen(kept, tmp_path, name):
    folder = shutil.copytree(kept / "checkpoints" / f"checkpoint-{NEWEST}", tmp_path / "one")
    change_inside(folder / name)
    assert name in damage(folder, inside=True)


def test_tidying_removes_half_a_policy_and_says_what_was_put_aside(kept, tmp_path):
    folder = shutil.copytree(kept, tmp_path / "run")
    assert tidy(folder) == []
    (folder / "policy.part").mkdir()
    (folder / "policy.part" / "model.safetensors").write_bytes(b"half")
    (folder / "policy").mkdir()
    (folder / "policy" / "model.safetensors").write_bytes(b"half")
    cut(folder / "checkpoints" / f"checkpoint-{NEWEST}" / "optimizer.pt")
    assert tidy(folder) == [
        "policy is damaged (model.safetensors is cut short) and was put aside",
        f"checkpoint-{NEWEST} is damaged (optimizer.pt is cut short) and was put aside",
        f"went on from checkpoint-{NEWEST - 1}",
    ]
    assert not (folder / "policy.part").exists() and not (folder / "policy").exists()
    assert sorted(p.name for p in (folder / "checkpoints").glob("*checkpoint-*")) == [
        f"checkpoint-{NEWEST - 1}", f"damaged-checkpoint-{NEWEST}",
    ]  # fmt: skip


@pytest.mark.parametrize("both", [False, True])
def test_a_run_with_a_damaged_checkpoint_is_resumed_from_the_one_before(
    lab, tmp_path, capsys, both
):
    run = kill(lab, tmp_path)
    folder = Path(run.folder)
    assert list(checkpoints(folder)) == [NEWEST, NEWEST - 1]
    for step in (NEWEST, NEWEST - 1) if both else (NEWEST,):
        cut(folder / "checkpoints" / f"checkpoint-{step}" / "model.safetensors")
    done = work(lab, run.id)
    assert (done.state, done.step) == ("finished", STEPS)
    assert f"checkpoint-{NEWEST} is damaged (model.safetensors is cut short)" in done.reason
    where = "the beginning" if both else f"checkpoint-{NEWEST - 1}"
    assert done.reason.endswith(f"went on from {where}")
    assert "is damaged" in capsys.readouterr().out
    counts, metrics, _ = rows_of(lab, done)
    assert [counts["train", step] for step in range(1, STEPS + 1)] == [8] * STEPS
    assert metrics == dict.fromkeys(range(1, STEPS + 1), 1)
    assert json.loads((folder / "run.json").read_text())["id"] == run.id


def test_a_checkpoint_that_is_sealed_again_stays_whole(kept, tmp_path):
    """A run that is stopped in the step after a checkpoint seals it a second time."""
    folder = shutil.copytree(kept / "checkpoints" / f"checkpoint-{NEWEST}", tmp_path / "one")
    seal(folder)
    seal(folder)
    assert damage(folder) == "" and SEAL not in json.loads((folder / SEAL).read_text())
    noted = json.loads((folder / SEAL).read_text()) | {SEAL: 1}  # as version 0.2.0 did
    (folder / SEAL).write_text(json.dumps(noted))
    assert damage(folder, inside=True) == ""
