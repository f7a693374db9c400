"""Fixtures shared by the tests: an untrained tiny model, a lab of its own in a temporary folder, parts that are
forgotten."""

import os
from pathlib import Path

import pytest

# before torch is imported: the default spin-wait of OpenMP costs a factor of 25 on few shared cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def data():
    """The folder of real data files, which is not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"the real data sets are not here ({DATA.name}/ beside the project's folder)")
    return DATA


@pytest.fixture
def registry(monkeypatch):
    """Parts that a test defines or imports from a folder of its own are forgotten after it."""
    from memfactory_core import component

    known = {family: component.kinds(family) for family in component.FAMILIES}
    monkeypatch.setattr(component, "_REGISTRY", known)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """An engine on an empty database; runs go to a temporary folder."""
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    from memfactory_core.runs import database, jobs

    return database.connect(jobs.database_url())


@pytest.fixture
def untrained():
    """The tiny architecture with random weights, behind its fast sampler."""
    from memfactory_core.policies.tiny import TinySampler
    from memfactory_core.tiny.model import make_model
    from memfactory_core.tiny.tokenizer import make_tokenizer

    tokenizer = make_tokenizer()
    return TinySampler(make_model(tokenizer, seed=0), tokenizer, seed=0, batch_size=64)
