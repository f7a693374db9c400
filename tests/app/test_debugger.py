"""The memory debugger's pages: from a step to the event, what if, tokens, banks; hostile text."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.chat.agents import find_agent, list_checkpoints, samplers
from app.episode import attempts
from app.episode.outcome import judge_difference
from app.episode.view import VIEWS
from app.markup.attempts import attempt_card
from app.markup.banks import NEED_LOOKS, bank_card, banks_table, needed_card
from app.markup.hits import hits_table
from app.markup.labels import CAUSE_SIGNS, cause_line
from app.markup.moments import moment_card
from app.markup.tokens import show_tokens_line
from app.reads.causes import count_causes, count_failures, list_failures
from app.reads.engine import database_engine
from app.reads.episodes import count_episodes, list_episode_ids, list_episodes, read_episode
from app.reads.groups import find_group_and_cause, list_groups, list_rewards
from app.reads.memories import count_memories, count_needs, list_lost_facts
from app.reads.operations import count_operations
from app.reads.runs import find_run
from memfactory_core.explain import moments
from memfactory_core.explain.attempts import aligned_banks
from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.likelihood import Token
from memfactory_core.runs import database, jobs, recording
from memfactory_core.trace import Asked, Episode, Recalled, Wrote
from memfactory_core.types import Completion, Example, Hit, Memory, Turn
from tests.app.test_pages import HOSTILE, NEEDED, episode, open_page, words
from tests.filled import fill, with_weights


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("debugger") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(folder))
        patch.delenv("MEMFACTORY_DB", raising=False)
        patch.setattr("memfactory_core.runs.examples.ensure", lambda engine: [])
        engine = database.connect(jobs.database_url())
        yield fill(engine, steps=6, examples=4) | {"tiny": with_weights(engine, steps=2)}


def first(run: str, phase: str = "train", step: int = 2, **wanted: Any) -> dict[str, Any]:
    rows = list_episodes(run, phase, step, "Reward, lowest first", 64)
    return next(row for row in rows if all(row[k] == v for k, v in wanted.items()))


def played(*writes: tuple[str, str | None], answer: str, read: list[str] | None) -> Episode:
    """`episode` with a recall and an answering turn behind its writes."""
    told = episode(*writes, answer=answer)
    seq, events = len(told.events), list(told.events)
    if read is not None:
        hits = tuple(Hit(memory=Memory(id=str(i), text=t)) for i, t in enumerate(read, 1))
        events.append(Recalled(seq=seq, query=NEEDED.question, hits=hits))
        events.append(Asked(seq=seq + 1, role="answer", index=0))
    turn = Turn(role="answer", messages=(), completion=Completion(text=answer))
    return told.model_copy(update={"events": tuple(events), "turns": (turn,)})


KEPT = [("add", "a."), ("update", NEEDED.sentence)]


@pytest.mark.parametrize(
    ("told", "end", "state", "seq"),
    [
        (played(*KEPT, answer="Zimo", read=None), 1, "untold", None),
        (played(*KEPT, answer="Zimo", read=None), 2, "present", None),
        (played(("add", "a."), ("update", "b."), answer="x", read=None), 2, "never_stored", None),
        (played(*KEPT, ("update", "c."), answer="x", read=None), 3, "overwritten", 2),
        (played(*KEPT, ("delete", None), answer="x", read=None), 3, "deleted", 2),
        (played(*KEPT, answer="x", read=["other"]), 4, "not_retrieved", 2),
        (played(*KEPT, answer="no idea", read=[NEEDED.sentence]), 4, "not_used", 2),
        (played(*KEPT, answer="Zimo Rilo", read=[NEEDED.sentence]), 4, "reader_error", 2),
        (played(*KEPT, answer="Zimo", read=[NEEDED.sentence]), 4, "used", 2),
    ],
)
def test_the_state_of_a_needed_fact_at_a_moment(
    told: Episode, end: int, state: str, seq: int | None
) -> None:
    ((item, found, event),) = moments.needed_at(told, end)
    assert (item.text, found, event) == (NEEDED.sentence, state, seq)
    assert moments.STATES[state] in needed_card([(item, found, event)])


def test_every_cause_and_state_has_its_words_and_its_sign() -> None:
    assert set(CAUSE_SIGNS) == set(CAUSES)
    assert set(NEED_LOOKS) == set(moments.STATES)


def test_moments_hold_every_event_once_and_end_with_their_writes(ids: dict[str, str]) -> None:
    shown = read_episode(ids["tiny"], first(ids["tiny"])["id"])
    told = moments.moments(shown)
    seqs = [event.seq for moment in told for event in moment.events]
    assert seqs == [event.seq for event in shown.events]
    sections = len(shown.example.observations)
    assert [moment.at for moment in told] == [*range(sections), None]
    assert all(moments.find(told, moment.decides) == i for i, moment in enumerate(told))
    for turn in range(len(shown.turns)):
        seq = moments.event_of_turn(shown, turn)
        assert isinstance(shown.events[seq], Wrote if turn < sections else Asked)


def test_counts_of_causes_are_the_lists_behind_them(ids: dict[str, str]) -> None:
    run = ids["trained"]
    bars = count_causes(run, "train")
    assert sum(bar["all"] for bar in bars) == count_episodes(run, "train")
    for bar in bars:
        for cause, count in bar["causes"].items():
            steps = (bar["first"], bar["last"])
            rows = list_failures(run, "train", cause, steps, 1000)
            assert len(rows) == count == count_failures(run, "train", cause, steps)
            assert all(bar["first"] <= row["step"] <= bar["last"] for row in rows)


def test_lists_of_memories_lead_to_their_events(ids: dict[str, str]) -> None:
    run = ids["trained"]
    lost = list_lost_facts(run, "train", 100)
    assert lost and len(lost) == count_needs(run, "train", were_lost=True)
    for row in lost[:5]:
        event = read_episode(run, row["episode_id"]).events[row["cause_seq"]]
        assert isinstance(event, Wrote) and row["text"].rstrip(".") in event.before
    assert count_memories(run, "train", unread=True) <= count_memories(run, "train")


def test_operations_are_counted_per_step(ids: dict[str, str]) -> None:
    counts = count_operations(ids["trained"])
    assert list(counts) == list(range(1, 7))
    sections = len(read_episode(ids["trained"], first(ids["trained"])["id"]).example.observations)
    assert all(sum(here.values()) == sections * 16 for here in counts.values())


def test_a_step_opens_its_groups_and_a_group_its_attempts(ids: dict[str, str]) -> None:
    run = ids["trained"]
    rows = list_groups(run, "train", 3, 10)
    page = open_page("groups", run=run, phase="train", step="3", group=rows[1]["group_id"])
    shown = words(page)
    for part in ("Attempt 4", "Memories at the end", "Mean reward", rows[1]["question"][:20]):
        assert part in shown
    assert {"One attempt", "The other"} <= {box.label for box in page.selectbox}


def test_a_large_group_is_paged(ids: dict[str, str]) -> None:
    run, size = ids["empty"], attempts.ATTEMPTS_A_PAGE * 2 + 3
    many = [
        episode(("add", f"text {i}."), answer=f"answer {i}.", exact_match=0.0).model_copy(
            update={"id": f"many-{i:02}", "group_id": "many", "reward": i / size}
        )
        for i in range(size)
    ]
    recording.save_episodes(database_engine(), run, "train", 7, many)
    (group,) = list_groups(run, "train", 7, 1, group_id="many")
    assert (group["attempts"], group["lowest"]) == (size, 0.0)
    rewards = list_rewards(run, "train", 7, "many", 100)
    assert rewards == sorted((e.reward for e in many), reverse=True)
    page = open_page("groups", run=run, phase="train", step="7", group="many")
    assert f"{size}" in words(page) and "Attempt 16" in words(page)
    assert "Attempt 17" not in words(page) and "answer 18." not in words(page)
    page.session_state["attempts.many"] = 3
    page.run()
    assert not page.exception
    shown = words(page)
    assert "Attempt 33" in shown and f"Attempt {size}" in shown and "Attempt 32" not in shown
    assert "answer 0." in shown and "Attempts 33 to 35 of 35" in shown
    page.selectbox(key="url.other").set_value("20").run()
    assert not page.exception and page.query_params["other"] == "20"


def test_a_link_brings_its_page_of_the_list(ids: dict[str, str]) -> None:
    run, step = ids["trained"], 3
    order = list_episode_ids(run, "train", step, "Reward, highest first")
    last = read_episode(run, order[-1])
    place = {"run": run, "phase": "train", "step": str(step)}
    page = open_page("episode", **place, episode=order[-1])
    assert len(order) == 16 and page.session_state["episode.page"] == 2
    keys = [button.key for button in page.button]
    assert f"episode.{order[-1]}" in keys and f"episode.{order[0]}" not in keys
    page.session_state["episode.page"] = 1
    page.run()  # turning the page leaves the episode where it is
    assert f"episode.{order[0]}" in [button.key for button in page.button]
    assert page.query_params["episode"] == order[-1] and not page.exception
    page = open_page("groups", **place, group=last.group_id)
    assert f"group.{last.group_id}" in [button.key for button in page.button]


def test_a_link_to_an_event_opened_cold(ids: dict[str, str]) -> None:
    run, row = ids["trained"], first(ids["trained"], step=3, exact_match=0.0)
    _, cause, seq = find_group_and_cause(run, row["id"])
    page = open_page("episode", run=run, episode=row["id"], event=str(seq))
    told = moments.moments(read_episode(run, row["id"]))
    assert page.slider(key="moment").value == moments.find(told, seq) + 1
    assert cause.replace("_", " ") in words(page) and "aria-current=" in words(page)
    page.slider(key="moment").set_value(len(told)).run()
    assert page.query_params["event"] == str(told[-1].decides)
    assert not page.exception


def test_what_if_plays_again_and_leaves_the_record(ids: dict[str, str]) -> None:
    run, row = ids["tiny"], first(ids["tiny"])
    before = read_episode(run, row["id"])
    page = open_page("episode", run=run, episode=row["id"], view="what-if")
    page.number_input(key="what-if.samples").set_value(2).run()
    next(b for b in page.button if b.label == "Play again").click().run()
    assert not page.exception
    assert "Played again unchanged" in words(page) and "With the change" in words(page)
    assert read_episode(run, row["id"]) == before
    page.selectbox(key="url.event").set_value("reading").run()
    assert "the change before" in words(page)
    next(b for b in page.button if b.label == "Play again").click().run()
    assert not page.exception and not page.error


@pytest.mark.parametrize(
    ("which", "why"), [("evaluated", "without weights"), ("trained", "no trained weights")]
)
def test_what_if_says_why_it_cannot(which: str, why: str, ids: dict[str, str]) -> None:
    page = open_page("episode", run=ids[which], view="what-if")
    assert why.replace(" ", "") in page.info[0].value.replace("\\", "").replace(" ", "")


def test_a_difference_is_judged_by_chance() -> None:
    assert "tell nothing" in judge_difference([0.0, 1.0], [1.0, 1.0])
    assert "helps" in judge_difference([0.0] * 8, [1.0] * 8)
    assert "harms" in judge_difference([1.0] * 8, [0.0] * 8)
    assert "the same" in judge_difference([0.5] * 8, [0.5] * 8)


def test_tokens_are_compared_on_demand(ids: dict[str, str]) -> None:
    row = first(ids["tiny"])
    page = open_page("episode", run=ids["tiny"], episode=row["id"], view="tokens")
    assert "Point at a token" not in words(page)
    next(b for b in page.button if b.label == "Compare").click().run()
    assert not page.exception and "Point at a token" in words(page)
    assert page.dataframe
    assert open_page("episode", run=ids["trained"], view="tokens").info


def test_the_memory_page_asks_a_bank_at_any_moment(ids: dict[str, str]) -> None:
    row = first(ids["trained"])
    page = open_page("memory", run=ids["trained"], phase="train", step="2", episode=row["id"])
    assert "Why: scores" in words(page) or "Nothing was found" in words(page)
    page.selectbox(key="url.retriever").set_value("recency").run()
    assert not page.exception and "Why: scores" in words(page)
    page = open_page("memory", source="lines")
    page.text_area(key="memory.lines").set_value(f"{HOSTILE} pet Bako\nother").run()
    assert not page.exception and "<script" not in words(page) and "U+202E" in words(page)


def test_hostile_text_is_harmless_in_every_card() -> None:
    long = HOSTILE + "y" * 1_000_000
    bad = played(("add", HOSTILE), ("update", long), answer=long, read=[long])
    bad = bad.model_copy(update={"example": bad.example.model_copy(update={"question": HOSTILE})})
    told = moments.moments(bad)
    hit = Hit(memory=Memory(id=HOSTILE, text=long), scores={HOSTILE: 1.0})
    bank = {"1": Memory(id="1", text=long)}
    shown = [
        *(moment_card(moment, bad, bad.example.needed, 1) for moment in told),
        bank_card(bank, {"2": Memory(id="2", text=HOSTILE)}, bad.example.needed),
        attempt_card(1, bad, "overwritten", {HOSTILE: HOSTILE}),
        banks_table(aligned_banks([bad]), 1, ()),
        hits_table([hit]), cause_line("overwritten"),
        show_tokens_line([Token(text=HOSTILE, now=-0.1, start=-9.0)]),
    ]  # fmt: skip
    for text in shown:
        assert "<script" not in text and "\u202e" not in text and len(text) < 60_000
    assert "more characters" in "".join(shown) and "**bold**" in "".join(shown)


@pytest.mark.parametrize("view", VIEWS)
def test_pages_show_a_hostile_episode(view: str, ids: dict[str, str]) -> None:
    run, name = ids["failed"], "hostile"
    if read_episode(run, name) is None:
        bad = played(("add", HOSTILE), ("update", "y" * 1_000_000), answer=HOSTILE, read=[HOSTILE])
        example = Example(
            id="x", observations=(HOSTILE,) * 3, question=HOSTILE, answers=(HOSTILE + "!",)
        )
        bad = bad.model_copy(update={"id": name, "example": example, "group_id": HOSTILE})
        recording.save_episodes(database_engine(), run, "train", 1, [bad])
    place = {"run": run, "phase": "train", "step": "1"}
    assert "<script" not in words(open_page("episode", **place, episode=name, view=view))
    assert "<script" not in words(open_page("groups", **place))
    assert "<script" not in words(open_page("memory", **place, episode=name))


def test_thinking_is_shown_folded_in_the_raw_messages(ids: dict[str, str]) -> None:
    told = played(*KEPT, answer="Zimo", read=[NEEDED.sentence])
    said = Completion(text="Zimo", thinking=f"Is it Rilo? {HOSTILE}")
    turn = told.turns[0].model_copy(update={"completion": said})
    thoughtful = told.model_copy(update={"id": "thoughtful", "turns": (turn,), "group_id": "t"})
    recording.save_episodes(database_engine(), ids["failed"], "train", 3, [thoughtful])
    place = {"run": ids["failed"], "phase": "train", "step": "3"}
    page = open_page("episode", **place, episode="thoughtful", view="story")
    folded = next(box for box in page.expander if box.label.startswith("thought before"))
    assert not folded.proto.expanded and "Is it Rilo?" in folded.code[0].value


def test_the_life_of_a_memory_ends_with_what_cites_it(ids: dict[str, str]) -> None:
    told = played(*KEPT, answer="Zimo", read=[NEEDED.sentence])
    kinds = [event.kind for event in moments.history(told, "1")]
    assert kinds == ["wrote", "wrote", "recalled", "asked"]
    unread = played(*KEPT, answer="Rilo", read=[NEEDED.sentence])
    assert [event.kind for event in moments.history(unread, "1")][-1] == "recalled"
    memory = Memory(id="3", text=NEEDED.sentence)
    for said, cited in (
        ("#3", True), ("#31", False), ("", False), (NEEDED.sentence, True),
        ("\\boxed{Zimo}", True), ("\\boxed{Rilo}", False), ("The pet is Zimo and Rilo", False),
    ):  # fmt: skip
        assert moments.cites(said, memory) == cited, said


def test_tokens_under_a_checkpoint(ids: dict[str, str]) -> None:
    run = find_run(ids["tiny"])
    assert list(list_checkpoints(run)) == ["the end"]
    for step in (50, 100):
        folder = Path(run.folder) / "checkpoints" / f"checkpoint-{step}"
        shutil.copytree(Path(run.folder) / "policy", folder)
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            with zipfile.ZipFile(folder / name, "w") as state:
                state.writestr("data", b"")
        if step == 50:  # the other one was not written to its end
            (folder / "trainer_state.json").write_text("{}")
    assert list(list_checkpoints(run)) == ["the end", "step 50"]
    page = open_page("episode", run=run.id, episode=first(run.id)["id"], view="tokens")
    next(box for box in page.selectbox if box.label == "Weights of").set_value("step 50").run()
    assert "Point at a token" not in words(page)
    next(b for b in page.button if b.label == "Compare").click().run()
    assert not page.exception and "Point at a token" in words(page)


def test_a_loaded_policy_is_shared_by_chat_and_pages(ids: dict[str, str]) -> None:
    agent = find_agent(f"run:{ids['tiny']}")
    assert samplers.get(agent) is samplers.get(agent)
    assert find_agent(f"run:{ids['tiny']}", before=True).weights is None
