"""Each lesson to its end, in the app: predict, look, change, check. What is right is taken from the lesson's own
computation, and wrong answers are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.learn import bounded, cause, decides, group, hacking, parted, reranker, two_dogs
from app.learn.course import KEPT, Course
from app.learn.lessons import LESSONS
from app.reads.engine import database_engine
from app.shell import keepsake
from memfactory_core.explain.doubts import doubts
from memfactory_core.rewards.answers import is_right
from tests.app import test_pages
from tests.app.test_pages import open_page


@pytest.fixture(scope="module", autouse=True)
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A new lab: the example runs are in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(tmp_path_factory.mktemp("learn") / "runs"))
        patch.delenv("MEMFACTORY_DB", raising=False)
        database_engine()  # brings them in before a page has to wait for it
        yield


def words(page: AppTest) -> str:
    praise = " ".join(str(one.value) for one in page.success)
    return f"{test_pages.words(page)} {praise}"


def commit(page: AppTest, name: str, option: int) -> None:
    radio = page.radio(key=f"{name}.predict")
    assert not page.get("plotly_chart"), "nothing is shown before the prediction"
    assert page.button(key=f"{name}.commit").disabled
    radio.set_value(radio.options[option]).run()
    page.button(key=f"{name}.commit").click().run()
    assert not page.exception and not page.error
    assert f"{name}.predict" not in [one.key for one in page.radio], "a prediction is final"


def answer(page: AppTest, name: str, value: Any, key: str = "checked") -> str:
    """Gives an answer; what the page says to it."""
    field = f"{name}.{key}"
    if field in [one.key for one in page.radio]:
        radio = page.radio(key=field)
        radio.set_value(radio.options[value]).run()
    else:
        page.number_input(key=field).set_value(value).run()
    page.button(key=f"{field}.button").click().run()
    assert not page.exception and not page.error
    return words(page)


def shown(page: AppTest) -> str:
    return " ".join(str(one.proto) for one in page.get("html") if "<style>" not in str(one.proto))


def done(page: AppTest) -> bool:
    return "This lesson is done" in words(page)


def test_lesson_1(runs: None) -> None:
    page = open_page("learn", lesson="decides")
    commit(page, "decides", 0)
    assert "It came out differently" in words(page)
    page.selectbox(key="url.policy").set_value("keep everything").run()
    assert page.query_params["policy"] == "keep everything"
    share = decides.share_right("first")
    right = min(range(4), key=lambda i: abs(decides.MIDDLES[i] - share))
    assert "Not so" in answer(page, "decides", (right + 1) % 4)
    assert not done(page)
    assert "Right." in answer(page, "decides", right)
    assert done(page)


def test_lesson_1_plays_the_trained_policy(runs: None) -> None:
    page = open_page("learn", lesson="decides")
    commit(page, "decides", 3)
    assert "As you said" in words(page)
    page.selectbox(key="url.policy").set_value("the tiny policy, trained").run()
    assert not page.exception and not page.error
    assert decides.told_examples()[0].question.split("'")[0] in words(page)


def test_lesson_2(runs: None) -> None:
    page = open_page("learn", lesson="group")
    commit(page, "group", 0)
    page.slider(key="url.r1").set_value(0).run()
    assert page.query_params["r1"] == "0"
    next(b for b in page.button if b.label == "All rewards equal").click().run()
    assert "no, all earned the same" in words(page)
    table = page.dataframe[0].value
    assert list(table["Advantage"]) == [0.0] * 8
    assert answer(page, "group", 2.65) and not done(page)
    assert "Not so" in answer(page, "group", 0.1, "equal")
    answer(page, "group", 0.0, "equal")
    assert done(page)


def test_the_frozen_group_is_the_stored_one_to_the_last_digit() -> None:
    stored = group.stored_group()
    assert len(stored) == 8 and {one.group_id for one in stored} == {group.GROUP}
    found = group.advantages_of(stored, [one.reward for one in stored], 0.5)
    assert found == [one.advantage for one in stored]
    assert group.advantages_of(stored, [0.3] * 8, 0.5) == [0.0] * 8
    assert all(tokens > 0 for tokens in group.tokens_of(stored))


def test_lesson_3(runs: None) -> None:
    page = open_page("learn", lesson="bounded")
    commit(page, "bounded", 2)
    assert "As you said" in words(page)
    page.selectbox(key="url.window").set_value(2000).run()
    assert f"**{bounded.largest_full(2000)} sections**" in words(page)
    answer(page, "bounded", float(bounded.largest_full(bounded.CHECKED_WINDOW)))
    assert not done(page)
    answer(page, "bounded", 1, "difference")
    assert done(page)


def test_a_bounded_memory_is_read_alike_at_every_length() -> None:
    assert bounded.longest_read(64, 64) < 1.1 * bounded.longest_read(4, 64)
    assert bounded.longest_read(64, None) > 8 * bounded.longest_read(4, None)
    fits = bounded.largest_full(4000)
    assert bounded.longest_read(fits, None) <= 4000 < bounded.longest_read(fits + 1, None)
    assert bounded.share_kept("overlap", 32, 64) == 1.0 > bounded.share_kept("first", 32, 64)


def test_lesson_4(runs: None) -> None:
    page = open_page("learn", lesson="dogs")
    commit(page, "dogs", 1)
    page.slider(key="url.cost").set_value(75).run()
    names = list(two_dogs.DECISIONS)
    page.selectbox(key="url.decision").set_value(names[0]).run()
    assert "Not so" in answer(page, "dogs", 1)
    answer(page, "dogs", 3)
    answer(page, "dogs", two_dogs.break_even(), "even")
    assert done(page)


def test_what_two_dogs_earn() -> None:
    rewards = [two_dogs.play_decision(one).reward for one in two_dogs.DECISIONS.values()]
    assert rewards == pytest.approx([0.1, 1.2, 0.1, 1.35, 0.0])
    even = two_dogs.break_even()
    add, noop = list(two_dogs.DECISIONS.values())[1], "NOOP"
    assert two_dogs.play_decision(add, even).reward == pytest.approx(
        two_dogs.play_decision(noop, even).reward
    )


def test_lesson_5(runs: None) -> None:
    page = open_page("learn", lesson="credit")
    commit(page, "credit", 0)
    assert "It came out differently: all of them, the wrong ones too" in words(page)
    groups = parted.play_parted(*parted.plain_case(), 0)
    leads = parted.leads(groups)
    most = leads.index(max(leads))
    page.selectbox(key="url.message").set_value(most + 1).run()
    assert f"{max(leads):+.2f}" in shown(page) and "parts here" in shown(page)
    assert "Not so" in answer(page, "credit", (most + 1) % len(leads), "lead")
    answer(page, "credit", most, "lead")
    assert not done(page)
    assert "Not so" in answer(page, "credit", 40.0, "taught")
    answer(page, "credit", float(parted.taught(groups[most])), "taught")
    assert done(page)


def test_lesson_6(runs: None) -> None:
    page = open_page("learn", lesson="reranker")
    commit(page, "reranker", 0)
    page.selectbox(key="url.rate").set_value("0.5").run()
    next(b for b in page.button if b.label == "Train it now").click().run()
    assert not page.exception and "Useful draws" in words(page)
    answer(page, "reranker", reranker.FEATURES.index("before"))
    weights, _ = reranker.learned_by_default()
    answer(page, "reranker", 100 * reranker.share_found(weights, reranker.HELD_OUT, 1), "after")
    assert done(page)


def test_the_reranker_learns_what_the_conversations_hide() -> None:
    assert reranker.share_found(reranker.untrained(), 60, 1) < 0.1
    weights, curve = reranker.learned_by_default()
    assert reranker.share_found(weights, 60, 1) > 0.9
    assert curve[-1][1] > curve[0][1] + 0.3
    assert reranker.share_found(reranker.train(0.01, 100, 0)[0], 60, 1) < 0.5


def test_lesson_7(runs: None) -> None:
    page = open_page("learn", lesson="hacking")
    commit(page, "hacking", 0)
    assert "did not" in words(page), "the lab's own doubt about the curve"
    page.select_slider(key="url.w.exact_match").set_value(20).run()
    assert not page.exception and "paid for answers" in words(page)
    assert page.query_params["w.exact_match"] == "20"
    page.query_params["w.rejected"] = "-20"
    assert page.run().select_slider(key="url.w.rejected").value == -20
    answer(page, "hacking", round(hacking.least_weight(), 1), "weight")
    assert not done(page)
    answer(page, "hacking", 3.0, "seeds")
    assert done(page)


def test_the_stored_runs_show_reward_hacking() -> None:
    data = hacking.read_data()
    seeds = {side: [run["seed"] for run in found["runs"]] for side, found in data.items()}
    assert seeds == {"form": [0, 1, 2], "answers": [0, 1, 2]}
    for run in data["form"]["runs"]:
        before, after = run["scores"]["before"], run["scores"]["after"]
        assert after["reward"]["mean"] > before["reward"]["mean"] + 0.25
        assert after["exact_match"]["high"] < before["exact_match"]["low"]
    assert hacking.seeds_apart() == [0, 1, 2], "as it came out"
    assert hacking.mean_score("answers", "after", "exact_match") > 0.5
    found = data["form"]
    curves = {
        name if name == "reward" else f"score/{name}": [v for _, v in curve]
        for name, curve in found["runs"][0]["curves"].items()
    }
    assert "answers" in {doubt.name for doubt in doubts(curves, found["reward"])}
    even = hacking.least_weight()
    for side, gain in (("form", -0.1), ("answers", 0.1)):
        weights = found["reward"] | {"exact_match": even + gain}
        other = "answers" if side == "form" else "form"
        assert hacking.earned(side, "after", weights) > hacking.earned(other, "after", weights)


def test_lesson_8(runs: None) -> None:
    page = open_page("learn", lesson="cause")
    cases = cause.find_cases()
    causes = [case.finding.cause for case in cases]
    commit(page, "cause", causes.index("overwritten"))
    assert "As you said" in words(page)
    page.selectbox(key="url.case").set_value(3).run()
    asked = cases[-2]
    assert "Not so" in answer(page, "cause", 0)
    answer(page, "cause", causes.index(asked.finding.cause))
    answer(page, "cause", float(cause.section_of(asked)), "section")
    assert done(page)


def test_the_stored_cases_failed_for_different_causes() -> None:
    cases = cause.find_cases()
    assert len(cases) == len({case.finding.cause for case in cases}) >= 5
    for case in cases:
        number = case.finding.question
        answers = [case.episode.answer, *case.episode.other_answers]
        assert not is_right(answers[number], case.episode.example.questions[number])


def test_the_plain_story_does_not_tell_the_cause(runs: None) -> None:
    page = open_page("learn", lesson="cause")
    told = shown(page)
    assert "Section 9 of 9" in told
    for giving_away in ("mf-needed", "needed fact", "lost here", "not written", "overwritten"):
        assert giving_away not in told


def test_the_list_leads_from_lesson_to_lesson(runs: None) -> None:
    page = open_page("learn")
    assert page.radio(key="url.lesson").value == "decides"
    assert len(page.radio(key="url.lesson").options) == len(LESSONS) == 8
    page.radio(key="url.lesson").set_value("dogs").run()
    assert page.query_params["lesson"] == "dogs"
    assert "Which dogs has Ann" in words(page)


def test_what_a_student_said_outlives_a_reload(runs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page("learn", lesson="dogs")
    commit(page, "dogs", 2)
    cookie = keepsake.pack(page.session_state[f"kept.{KEPT}"])
    assert any(f"{keepsake.COOKIE}{KEPT}={cookie}" in str(one.proto) for one in page.get("html"))
    kept = {keepsake.COOKIE + KEPT: cookie}
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", kept)
    again = open_page("learn", lesson="dogs")
    assert "**You said:** only Buddy" in words(again)
    assert not any("document.cookie" in str(one.proto) for one in again.get("html"))
    next(b for b in again.button if b.label == "Begin anew").click().run()
    assert again.radio(key="dogs.predict").value is None
    handed = " ".join(str(one.proto) for one in again.get("html"))
    assert f"{keepsake.COOKIE}{KEPT}=; path=/" in handed


def test_what_is_said_and_forgotten_in_one_visit_is_forgotten_by_the_browser(runs: None) -> None:
    page = open_page("learn", lesson="dogs")
    commit(page, "dogs", 2)
    next(b for b in page.button if b.label == "Begin anew").click().run()
    handed = " ".join(str(one.proto) for one in page.get("html"))
    assert f"{keepsake.COOKIE}{KEPT}=; path=/" in handed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!!!",
        "e30",
        "W10",
        "bnVsbA",
        "eyJhIjoxfQ",
        "eyJhIjp7ImIiOjF9fQ",
        "A" * 5000,
        "W1tbW1tb",
    ],
)
def test_a_cookie_of_somebody_elses_making_is_an_empty_one(text: str) -> None:
    assert not any(keepsake.unpack(text).values())


def test_a_kept_table_comes_back_and_its_cookie_is_of_plain_letters() -> None:
    table = {"a": {"said": '</script>"; \u202e'}, "b": {"done": "yes"}}
    packed = keepsake.pack(table)
    assert keepsake.unpack(packed) == table
    assert packed.replace("-", "").replace("_", "").isalnum() and packed.isascii()


def test_a_prediction_that_is_none_is_asked_again(
    runs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {keepsake.COOKIE + KEPT: keepsake.pack({"dogs": {"predicted": "99", "checked": "x"}})}
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", kept)
    assert open_page("learn", lesson="dogs").radio(key="dogs.predict").value is None


def test_start_here_leads_to_the_first_lesson_and_the_tour_stays_closed(runs: None) -> None:
    page = open_page("overview")
    assert "1 of" in words(page)
    page.button(key="tour.next").click().run()
    assert "2 of" in words(page)
    page.button(key="tour.close").click().run()
    assert "2 of 7" not in words(page)
    page.run()
    assert "tour.close" not in [one.key for one in page.button]
    next(b for b in page.button if b.label == "Start here").click().run()
    assert page.title[0].value == "Learn" and page.query_params["lesson"] == "decides"


def test_the_stored_data_is_small_and_names_its_command() -> None:
    text = hacking.DATA.read_text()
    assert len(text) < 80_000
    for found in json.loads(text).values():
        assert found["command"].startswith("memfactory demo --recipe memagent-tiny --seeds 0,1,2")
    assert Path(hacking.__file__).with_name("gather.py").is_file()
    assert Course("x").name == "x"
