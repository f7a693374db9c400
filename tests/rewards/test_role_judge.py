"""The judge as a role and as a part of the reward: what it cannot judge is dropped, and never scores 0."""

import pytest

from memfactory_core.config import build, load
from memfactory_core.episode import Sampler
from memfactory_core.errors import ConfigError, PolicyError
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.rewards import score_all
from memfactory_core.scoring.evaluate import evaluate, summarize
from memfactory_core.training.advantages import equal_groups, to_rows, with_advantages
from memfactory_core.training.trainer import MemoryGRPOTrainer
from memfactory_core.types import Completion
from tests.endpoint import serving
from tests.rewards.test_judge import episode, strict
from tests.training.test_trainer import make, turn

PAID = {"judge": 1.0}


class Verdicts(Sampler):
    """Judges in turn as a list says; None breaks."""

    def __init__(self, *said):
        self.said, self.asked = said, []

    def complete(self, asks, temperature):
        self.asked += [(ask.role, ask.trainable, temperature) for ask in asks]
        given = [self.said[i % len(self.said)] for i in range(len(asks))]
        if None in given:
            raise PolicyError("the judge is not there")
        return [Completion(text=text) for text in given]


def judged(*said, count=4):
    judging = Verdicts(*said)
    judge = RoleSampler(Verdicts(), {"judge": ("scripted", judging)}).judge
    episodes = [episode(n, f"question {n}", f"answer {n}") for n in range(count)]
    return score_all(judge.judge(episodes), PAID), judge, judging


def test_an_episode_that_was_not_judged_counts_in_no_mean_and_no_gradient():
    scored, judge, judging = judged("CORRECT", "WRONG", "I cannot tell.", "CORRECT")
    assert [e.dropped for e in scored] == [False, False, True, False]
    assert [e.reward for e in scored if not e.dropped] == [1.0, 0.0, 1.0]
    assert set(judging.asked) == {("judge", False, 0.0)}
    assert judge.account() == {
        "answers": 4, "dropped": 1, "reasons": {"the output was no verdict": 1},
    }  # fmt: skip
    turned = [e.model_copy(update={"turns": (turn(),)}) for e in scored]
    compared = with_advantages(turned, "none")
    assert [e.advantage for e in compared] == pytest.approx([1 / 3, -2 / 3, 0.0, 1 / 3])
    assert len(to_rows(compared)) == 3 and equal_groups(compared) == set()
    assert summarize(scored)["reward"]["n"] == 3


def test_a_judge_that_is_gone_drops_all_and_nothing_breaks():
    scored, judge, _ = judged(None)
    assert all(e.dropped for e in scored) and judge.account()["dropped"] == 4
    compared = with_advantages(scored, "group")
    assert [e.advantage for e in compared] == [0.0] * 4 and to_rows(compared) == []
    assert equal_groups(compared) == {"g"}
    assert "reward" not in summarize(scored)


def test_one_answer_of_several_without_a_verdict_drops_the_episode():
    both = [episode(1, "one", "yes", ("odd", "no"))]
    judging = Verdicts("CORRECT", "hm")
    judge = RoleSampler(Verdicts(), {"judge": ("x", judging)}).judge
    [scored] = score_all(judge.judge(both), PAID)
    assert scored.dropped and scored.scores["judge"] == 1.0
    assert not score_all(judge.judge(both), {"exact_match": 1.0})[0].dropped


@pytest.mark.parametrize("said", [("CORRECT", "WRONG", "hm"), (None,)])
def test_a_training_step_goes_on_without_what_was_not_judged(untrained, tmp_path, said):
    players = RoleSampler(untrained, {"judge": ("other", Verdicts(*said))})
    trainer, seen = make(players, tmp_path, trainer=MemoryGRPOTrainer, steps=1)
    trainer.weights = PAID
    rows = []
    inner = trainer._batch
    trainer._batch = lambda given: rows.extend(given) or inner(given)
    trainer.train()
    episodes = [e for _, several in seen for e in several]
    kept = {t.completion.completion_ids for e in episodes if not e.dropped for t in e.turns}
    assert trainer.state.global_step == 1 and any(e.dropped for e in episodes)
    assert all(t.completion.completion_ids in kept for t, _ in rows)
    assert trainer.state.log_history[0]["dropped"] > 0


def test_an_evaluation_pays_what_the_endpoint_of_the_role_says():
    with serving(strict) as url:
        api = f'{{"kind": "api", "url": "{url}", "key_variable": ""}}'
        config = load(
            "memagent-tiny",
            ["mode=evaluate", "policy=scripted", f"roles.judge={api}", "reward={\"judge\": 1.0}"],
        )  # fmt: skip
        sampler = config.load_policies(None, None)
        summary = evaluate(
            config.paradigm, sampler, config.task.examples(6, 0), config.reward, 0, judge=sampler.judge
        )["greedy"]  # fmt: skip
    assert summary["judge"] == summary["reward"] and summary["judge"]["n"] == 6
    assert summary["judge"]["mean"] == summary["exact_match"]["mean"]
    assert build(config.dump()) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["reward.judge=1.0"], "reward.judge needs a judge .*: set roles.judge"),
        (["roles.judge=api", "evaluation.judge=m http://127.0.0.1:1/v1"], "two judges"),
        (["roles.judge=start"], "'tiny' has never learned what the role 'judge' asks for"),
        (["roles.judge=scripted"], "'scripted' has never learned"),
    ],
)
def test_a_judge_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        load("memagent-tiny", settings)
