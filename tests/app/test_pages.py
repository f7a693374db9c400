"""Every page on an empty and on a filled database, the forms of every recipe, charts, and hostile
text."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session
from streamlit.testing.v1 import AppTest

from app import server
from app.markup.differences import show_difference
from app.markup.safe_text import escape_html, escape_markdown, mark_needed, show_text
from app.markup.sections import section_cards
from app.reads.curves import CURVE_POINTS, read_curves
from app.reads.engine import database_engine
from app.reads.episodes import list_episodes
from app.run import charts
from memfactory_core import config
from memfactory_core.errors import RunError
from memfactory_core.explain import story
from memfactory_core.runs import database, jobs, recording
from memfactory_core.runs.tables import Metric
from memfactory_core.tasks.language import Fact
from memfactory_core.trace import Episode, Wrote
from memfactory_core.types import Evidence, Example
from tests.conftest import some
from tests.filled import fill

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
NEEDED = Fact("Bako", "pet", "Zimo")
HOSTILE = (
    "<script>alert(1)</script> **bold** ${1+1} {{x}} \u202eevil\u0007 \U0001f469\u200d\U0001f680"
)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    monkeypatch.setattr(
        "memfactory_core.runs.examples.ensure", lambda engine: []
    )  # no example run here
    return tmp_path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("filled") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(folder))
        patch.delenv("MEMFACTORY_DB", raising=False)
        patch.setattr("memfactory_core.runs.examples.ensure", lambda engine: [])
        yield fill(database.connect(jobs.database_url()), steps=3, examples=3)


def open_page(name: str, **place: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    page.switch_page(f"../pages/{name}.py")
    for key, value in place.items():
        page.query_params[key] = value
    page.run()
    assert not page.exception, [error.value for error in page.exception]
    return page


def words(page: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "error", "warning", "info", "html")
    return " ".join(str(element.proto) for kind in kinds for element in page.get(kind))


@pytest.mark.parametrize("name", PAGES)
def test_page_on_an_empty_database(name: str, runs: Path) -> None:
    page = open_page(name)
    assert page.title
    assert not page.error


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("which", ["evaluated", "trained", "failed", "empty"])
def test_page_on_a_filled_database(name: str, which: str, filled: dict[str, str]) -> None:
    page = open_page(name, run=filled[which])
    assert page.title
    if name == "runs" and which == "failed":
        assert "model.safetensors" in page.error[0].value.replace("\\", "")
    else:
        assert not page.error


def test_an_unknown_run_is_said_so(filled: dict[str, str]) -> None:
    assert open_page("runs", run="nowhere").warning
    assert open_page("episode", run="nowhere").warning


def test_a_link_to_an_episode_opens_it(filled: dict[str, str]) -> None:
    run = filled["trained"]
    row = list_episodes(run, "before/greedy", 0, "Reward, lowest first", 1)[0]
    page = open_page("episode", run=run, episode=row["id"])
    assert page.selectbox(key="url.phase").value == "before/greedy"
    assert row["question"].split("'")[0] in words(page)


def test_changing_phase_and_step_leaves_the_episode(filled: dict[str, str]) -> None:
    run = filled["trained"]
    row = list_episodes(run, "train", 2, "Reward, lowest first", 1)[0]
    page = open_page("episode", run=run, episode=row["id"])
    assert page.slider(key="url.step").value == 2
    page.slider(key="url.step").set_value(3).run()
    assert page.query_params["step"] == "3"
    assert "episode" not in page.query_params
    page.selectbox(key="url.phase").set_value("after/greedy").run()
    assert not page.exception
    assert page.query_params["phase"] == "after/greedy"


@pytest.mark.parametrize("recipe", some(config.recipes()))
def test_forms_give_back_the_recipe(recipe: str, runs: Path) -> None:
    page = open_page("compose")
    page.selectbox(key="preset").set_value(recipe).run()
    assert not page.exception
    toml = next(code.value for code in page.code if code.language == "toml")
    expected = config.load(recipe)
    path = runs / "typed.toml"
    path.write_text(toml)
    assert config.load(str(path)) == expected
    shell = next(code.value for code in page.code if code.language == "bash")
    verb = "train" if expected.mode in ("train", "imitate", "rerank") else "eval"
    assert shell == f"memfactory {verb} {recipe}"


def test_a_typed_value_reaches_command_and_toml_and_bad_ones_are_said(runs: Path) -> None:
    page = open_page("compose")
    page.number_input(key="memagent-tiny.0.training.steps").set_value(7).run()
    assert "--set training.steps=7" in next(c.value for c in page.code if c.language == "bash")
    page.selectbox(key="preset").set_value("memory-r1-tiny").run()
    seed = next(str(n.key) for n in page.number_input if str(n.key).endswith("evaluation.seed"))
    page.number_input(key=seed).set_value(0).run()
    assert "evaluation.seed" in page.error[0].value.replace("\\", "")
    assert page.button[-1].disabled


def test_curves_are_thinned_in_the_database(filled: dict[str, str]) -> None:
    engine, run = database_engine(), filled["empty"]
    with Session(engine) as session:
        session.add_all(Metric(run_id=run, name="reward", step=i, value=i) for i in range(5000))
        session.commit()
    curve = read_curves(run, ["reward"])["reward"]
    assert len(curve) <= CURVE_POINTS
    assert curve[0][0] == 0
    assert curve == sorted(curve)


def test_charts_take_any_length() -> None:
    for length in (0, 1, 2, 500):
        curve = [(step, step / 7) for step in range(length)]
        figure = charts.curve_figure({"reward": curve, "kept": curve}, percent=True)
        assert figure.layout.uirevision == "keep"
    value = {"mean": 0.5, "low": 0.4, "high": 0.7, "n": 9}
    figure = charts.before_after_figure(
        {"before training": {"kept": value}, "after training": {"kept": value}},
        {"kept": "Kept", "read": "Read"},
    )
    assert [trace.name for trace in figure.data] == ["before training", "after training"]
    sides = {"untrained": {"kept": value}, "imitated": {"kept": value}, "trained": {}}
    figure = charts.before_after_figure(sides, {"kept": "Kept"})
    assert [trace.name for trace in figure.data] == ["untrained", "imitated"], "not yet trained"
    assert figure.data[0].error_x.array == pytest.approx((0.2,))


def episode(*writes: tuple[str, str | None], answer: str = "Zimo", **scores: float) -> Episode:
    """Three sections, the needed fact in the second; one write each."""
    example = Example(
        id="x", observations=("Rilo is here.", NEEDED.sentence, "Nalu is there."),
        question=NEEDED.question, answers=("Zimo",),
        evidence=(Evidence(text=NEEDED.sentence, observation=1),),
    )  # fmt: skip
    events, memory = [], None
    for at, (action, text) in enumerate(writes):
        memory_id = None if action == "reject" else "1"
        events.append(
            Wrote(seq=at, at=at, action=action, memory_id=memory_id, before=memory, after=text)
        )
        memory = memory if action in ("reject", "noop") else text
    return Episode(
        id="e", group_id="g", example=example, events=tuple(events), answer=answer, scores=scores
    )


@pytest.mark.parametrize(
    ("writes", "told"),
    [
        ([("add", "a."), ("update", NEEDED.sentence), ("update", "c.")],
         "was read in section 2, written, and overwritten in section 3"),
        ([("add", "a."), ("update", NEEDED.sentence), ("delete", None)],
         "was read in section 2, written, and deleted in section 3"),
        ([("add", "a."), ("update", "b."), ("update", "c.")],
         "was read in section 2 and never written"),
        ([("add", "a."), ("reject", NEEDED.sentence + " and more"), ("update", "c.")],
         "never written; the write was rejected"),
        ([("add", "a."), ("update", NEEDED.sentence), ("noop", None)],
         "was read in section 2, written and kept to the end"),
    ],
)  # fmt: skip
def test_the_story_of_the_needed_fact(writes: list[tuple[str, str | None]], told: str) -> None:
    assert told in story.tell(episode(*writes))
    assert "right" in story.tell(episode(*writes, exact_match=1.0, kept=0.0))


def test_changes_are_marked_with_signs_and_words() -> None:
    played = episode(("add", "a b."), ("update", "c d."), ("reject", "e"))
    told = story.sections(played.example, played.events)
    shown = section_cards(played.example, told, 54)
    for part in (
        "<ins>a b.</ins>",
        "<del><s>a b.</s></del> <ins>c d.</ins>",
        "Rejected",
        "needed fact",
    ):
        assert part in shown
    assert show_difference("one two three four five six", "one two 3 four five six") == (
        '<bdi class="mf-text">one two <del><s>three</s></del> <ins>3</ins> four five six</bdi>'
    )


def test_hostile_text_is_shown_verbatim_and_harmless() -> None:
    for shown in (
        escape_html(HOSTILE),
        show_difference(HOSTILE, HOSTILE + " more"),
        show_text(HOSTILE),
    ):
        assert "<script" not in shown
        assert "${" not in shown and "{{" not in shown
        assert "\u202e" not in shown and "U+202E" in shown and "U+0007" in shown
        assert "**bold**" in shown and "\U0001f469\u200d\U0001f680" in shown
    assert "<" not in escape_markdown(HOSTILE).replace("\\<", "")
    long = mark_needed("x" * 1_000_000, [Evidence(text=NEEDED.sentence)])
    assert len(long) < 30_000 and "980,000 more characters" in long


def test_a_page_shows_a_hostile_episode(filled: dict[str, str]) -> None:
    bad = episode(("add", HOSTILE), ("update", "y" * 1_000_000), answer=HOSTILE, exact_match=0.0)
    bad = bad.model_copy(update={"example": bad.example.model_copy(update={"question": HOSTILE})})
    recording.save_episodes(database_engine(), filled["empty"], "train", 1, [bad])
    page = open_page("episode", run=filled["empty"])
    own = "<script>\\nif (!window.memfactoryStrip)"  # of the strip of curves
    assert "<script" not in words(page).replace(own, "")


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"port {port} is in use.*use --port"):
            server.check_port("127.0.0.1", port)


def test_a_list_of_parts_and_of_values_in_the_form(runs: Path) -> None:
    page = open_page("compose")
    page.selectbox(key="preset").set_value("locomo-retrieval").run()
    page.multiselect(key="locomo-retrieval.1.retrieval.retrievers").set_value(["recency"]).run()
    page.text_input(key="locomo-retrieval.1.retrieval.ks").set_value("3, x").run()
    assert any("retrieval.ks" in e.value.replace("\\", "") for e in page.error)
    page.text_input(key="locomo-retrieval.1.retrieval.ks").set_value("3, 7").run()
    shell = next(code.value for code in page.code if code.language == "bash")
    assert "--set 'retrieval.ks=[3, 7]'" in shell and "recency" in shell


def test_a_role_gets_a_policy_of_its_own_by_the_form(runs: Path) -> None:
    page = open_page("compose")
    page.selectbox(key="preset").set_value("rmm-tiny").run()
    first = next(box.key for box in page.selectbox if str(box.key).endswith(".roles.answer"))
    page.selectbox(key=first).set_value("other").run()
    page.selectbox(key=f"{first}.own.kind").set_value("scripted").run()
    assert not page.exception
    toml = next(code.value for code in page.code if code.language == "toml")
    path = runs / "typed.toml"
    path.write_text(toml)
    assert config.load(str(path)).roles["answer"].kind == "scripted"
    shell = next(code.value for code in page.code if code.language == "bash")
    assert "roles.answer=scripted" in shell
