"""A chat and a run use one GPU in turn, and the chat says what it waits for. There need be no GPU: what is tried is who
may load a model when."""

import pytest

from app.chat import agents
from app.chat.agents import Agent, Samplers
from memfactory_core import config
from memfactory_core.errors import RunError
from memfactory_core.runs import database, devices, jobs, queue
from tests.misbehaving import until
from tests.policies.test_policies import save_model


@pytest.fixture
def one_gpu(monkeypatch):
    for module in (devices, agents):
        monkeypatch.setattr(module, "list_gpus", lambda: ["0"])


def test_a_model_waits_for_the_run_that_has_the_gpu_and_leaves_it_to_the_next(
    lab, tmp_path, one_gpu
):
    model = save_model(tmp_path / "model", "qwen3")
    settings = ["policy.kind=hf", f"policy.model={model}", "policy.dtype=float32"]
    agent = Agent("a", config.load("memagent-tiny", settings), None)
    tiny = Agent("b", config.load("memagent-tiny"), None)
    run = jobs.create(lab, agent.config)
    assert devices.needed_device(agent.config) == "cuda"
    working = {"state": "running", "device": "cuda:0", "phase": "training", "eta": 40.0}
    database.update_run(lab, run.id, **working)
    samplers = Samplers()
    with pytest.raises(
        RunError, match=f"cuda:0 is held by run {run.id} .training, about 40 s left."
    ):
        samplers.get(agent)
    assert samplers.get(tiny) is samplers.get(tiny), "the CPU is shared"

    database.update_run(lab, run.id, state="finished")
    loaded = samplers.get(agent)
    assert samplers.get(agent) is loaded
    another = jobs.create(lab, agent.config)
    queue.enqueue(lab, another.id, "cuda")
    assert len(samplers._loaded) == 2
    until(lambda: len(samplers._loaded) == 1, 20)
    assert samplers.get(tiny), "only what is on the GPU was let go of"
    database.update_run(lab, another.id, state="stopped", turn=None)
    assert samplers.get(agent) is not loaded
    samplers._on_gpu.clear()  # who watches for runs ends with it


def test_slots_of_gpus_and_what_a_process_is_shown_of_them(monkeypatch):
    monkeypatch.delenv("MEMFACTORY_SLOTS", raising=False)
    monkeypatch.setattr(devices, "list_gpus", lambda: ["GPU-a", "3"])
    slots = devices.count_slots()
    assert (slots["cuda:0"], slots["cuda:1"]) == (1, 1)
    assert devices.environment_of("cuda:1") == {"CUDA_VISIBLE_DEVICES": "3"}
    assert devices.environment_of("cuda:2") == devices.environment_of("cpu") == {}
    scripted = config.load("memagent-tiny", ["mode=evaluate", "policy=scripted"])
    assert devices.needed_device(config.load("memagent-tiny")) == "cuda"
    assert devices.needed_device(scripted) == "cpu"
