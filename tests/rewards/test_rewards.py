"""Measures as parts: their values, ranges and refusals, the table `[reward]` and how scores are shown."""

import gzip
import json
import math
from pathlib import Path
from typing import ClassVar

import pytest

from memfactory_core.cli.report import columns
from memfactory_core.component import kinds
from memfactory_core.config import build, load
from memfactory_core.errors import ConfigError
from memfactory_core.rewards import (
    ABOUT,
    AnswerReward,
    Reward,
    in_order,
    measure,
    measures,
    score,
    total,
    weight_of,
)
from memfactory_core.rewards.length import Length
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs import examples
from memfactory_core.scoring.evaluate import summarize
from memfactory_core.trace import Episode
from memfactory_core.types import Completion, Example, Question, Turn

RECORDED = Path(examples.__file__).parent


def recorded(name: str, every: int = 20) -> list[Episode]:
    """Episodes that were scored when they were played, by the measures of then."""
    with gzip.open(RECORDED / name / "episodes.jsonl.gz", "rt") as file:
        lines = [line for number, line in enumerate(file) if number % every == 0]
    return [Episode.model_validate(json.loads(line)[2]) for line in lines]


def plain(answer: str = "", tokens: tuple[int, ...] = (), **more) -> Episode:
    """An episode of an example of which nothing but its question and answer is known."""
    example = Example(id="e", observations=("o",), question="q", answers=("a",), **more)
    turns = tuple(
        Turn(role="update", messages=(), completion=Completion(text="t", completion_ids=(1,) * n))
        for n in tokens
    )
    return Episode(id="x", group_id="g", example=example, answer=answer, turns=turns)


def test_a_weight_beyond_every_float_is_refused_in_a_recipe_and_read_in_a_damaged_record():
    with pytest.raises(ConfigError, match="finite number"):
        load("memagent-tiny", [f"reward.kept={10**400}"])
    assert weight_of(10**400) == math.inf


def test_recorded_episodes_measure_what_was_recorded():
    episodes = [*recorded("memagent"), *recorded("memory_r1")]
    assert len(episodes) > 180
    for episode in episodes:
        taken = measure(episode)
        assert taken == episode.scores
    seen = {name for episode in episodes for name in episode.scores}
    never = {"contained", "judge", "citation", "needless_look", "missed_look"}
    assert set(kinds("rewards")) - seen == never


def test_strings_asked_for_at_once_are_counted_in_the_answer():
    golds = ["10 a", "20 b", "30 c", "40 d"]
    assert measure(plain("30 C and 10  a", meta={"all_of": golds}))["contained"] == 0.5
    assert "contained" not in measure(plain("30 c"))


@pytest.mark.parametrize("kind", kinds("rewards"))
def test_a_measure_says_where_it_applies_and_keeps_its_promises(kind):
    part = kinds("rewards")[kind]
    assert part.title and part.about in ABOUT
    assert part.low is None or part.high is None or part.low < part.high
    bare = part().measure(plain())
    assert (bare is None) == bool(part.needs), "`needs` is said exactly where it may not apply"
    for episode in recorded("memory_r1", every=60):
        measure(episode, {kind: part()})  # refuses what is out of range


def test_a_part_with_settings_is_measured_and_weighed_under_its_own_name():
    sets = ["reward.brevity=length", "reward.brevity.weight=-0.01", "reward.brevity.most=40"]
    config = load("memagent-tiny", sets)
    assert config.reward["brevity"] == Length(weight=-0.01, most=40)
    scored = score(plain("a", tokens=(30, 60)), config.reward)
    assert scored.scores["length"] == 45.0 and scored.scores["brevity"] == 10.0
    assert scored.reward == pytest.approx(1.0 - 0.01 * 10)
    assert build(config.dump()) == config  # a run's record
    assert total({"exact_match": 1.0, "brevity": 10.0}, config.dump()["reward"]) == pytest.approx(
        0.9
    )


def test_settings_of_a_measure_may_be_given_under_its_own_name(tmp_path):
    config = load("memagent-tiny", ["reward.length=-0.02", "reward.length.most=40"])
    assert config.reward["length"] == Length(weight=-0.02, most=40)
    assert score(plain(tokens=(30, 60)), config.reward).scores["length"] == 10.0
    (tmp_path / "again.toml").write_text(config.to_toml())
    assert load(str(tmp_path / "again.toml")) == config
    back = load(str(tmp_path / "again.toml"), ["reward.length=-0.5"])
    assert back.reward["length"] == -0.5


def test_a_record_of_names_and_numbers_loads_as_before():
    old = json.loads((RECORDED / "memory_r1" / "run.json").read_text())
    config = build(old["config"])
    assert config.reward == {
        "exact_match": 1.0, "kept": 0.5, "memories": -0.15, "rejected": -0.2,
    }  # fmt: skip
    assert config.dump()["reward"] == old["config"]["reward"]


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.5, -0.1, "much", 1j], ids=str)
def test_a_value_that_a_part_did_not_promise_is_refused_with_its_name(value, registry):
    class Odd(Reward, kind="odd"):
        """Odd."""

        low, high = 0.0, 1.0
        value: ClassVar = None

        def measure(self, episode):
            return self.value

    Odd.value = value
    with pytest.raises(
        ConfigError, match="the reward 'odd' measured .*; it may be: Odd. From 0 to 1."
    ):
        measure(plain())
    Odd.value = True
    assert measure(plain())["odd"] == 1.0


def test_an_error_of_a_part_names_the_part_and_the_example(registry):
    class Broken(Reward, kind="broken"):
        """Broken."""

        def measure(self, episode):
            return 1 / 0

    with pytest.raises(ZeroDivisionError) as error:
        measure(plain())
    assert error.value.__notes__ == ["in the reward 'broken', on the example e"]


@pytest.mark.parametrize("kind", ["reward", "a/b", "Upper", "1st"])
def test_a_name_that_would_break_the_paths_of_scores_is_refused(kind, registry):
    with pytest.raises(ConfigError, match=f"a reward cannot be called '{kind}'"):

        class Named(Reward, kind=kind):
            """Named."""

            def measure(self, episode):
                return 0.0


def test_a_measure_of_answers_counts_each_question_and_each_category(registry):
    class Starts(AnswerReward, kind="starts"):
        """The answer begins like the gold answer."""

        def measure_answer(self, answer, question):
            return float(answer[:1] == question.answers[0][:1])

    episode = plain("abc", others=(Question(question="r", answers=("b",)),)).model_copy(
        update={"other_answers": ("x",)}
    )
    about = {"questions": [{"id": "1", "category": "one"}, {"id": "2", "category": "two"}]}
    known = episode.example.model_copy(update={"meta": about})
    scored = score(episode.model_copy(update={"example": known}), {"starts": 2.0})
    assert scored.scores["starts"] == 0.5 and scored.reward == 1.0
    summary = summarize([scored])
    assert (summary["starts"]["n"], summary["starts"]["mean"]) == (2, 0.5)
    assert (summary["starts/one"]["mean"], summary["starts/two"]["mean"]) == (1.0, 0.0)
    assert summary["bleu1"]["n"] == 1


def test_a_part_that_needs_settings_is_measured_only_where_they_are_given(registry):
    class Says(Reward, kind="says"):
        """The answer says a word."""

        word: str
        """The word."""

        def measure(self, episode):
            return float(self.word in episode.answer)

    assert "says" not in measures() and "says" in in_order()
    config = load("memagent-tiny", ["reward.says.word=cat"])
    assert score(plain("a cat"), config.reward).scores["says"] == 1.0
    with pytest.raises(ConfigError, match=r"says.word: Field required"):
        load("memagent-tiny", ["reward.says=1"])


def test_scores_are_shown_as_their_parts_say():
    table = {"exact_match": 1.0, "brevity": {"kind": "length", "weight": -1.0}, "gone": 1.0}
    shown = Shown(table)
    assert shown.in_order(["gone", "rejected", "brevity", "kept", "exact_match"]) == [
        "exact_match", "kept", "rejected", "brevity", "gone",
    ]  # fmt: skip
    titles = [shown.title(name) for name in ("kept", "brevity", "length", "gone")]
    assert titles == ["Kept to the end", "Brevity", "Tokens per turn", "Gone"]
    shares = [shown.is_share(name) for name in ("kept", "rejected", "brevity", "gone")]
    assert shares == [True, True, False, False]
    assert [shown.about(name) for name in ("f1", "judge", "kept", "rejected", "gone")] == [
        "answers", "answers", "memory", "form", "cost",
    ]  # fmt: skip


def test_the_short_table_has_the_parts_that_say_so_and_those_with_settings():
    row = {"mean": 0.5, "low": 0.5, "high": 0.5, "n": 1}
    names = ("reward", "length", "brevity", "rejected", "f1", "exact_match", "f1/one")
    summary = {"before": {f"greedy/{name}": row for name in names}, "after": {"sampled/kept": row}}
    table = {"brevity": {"kind": "length"}}
    assert columns(summary, "greedy", table) == [
        "exact_match",
        "f1",
        "rejected",
        "brevity",
        "reward",
    ]
    assert columns(summary, "sampled", table) == ["kept"]
