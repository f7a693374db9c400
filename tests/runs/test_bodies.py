"""What a run's attempts at one example share is kept once; each comes back as it was."""

import random
import zlib

import pytest
from sqlmodel import Session, func, select

from memfactory_core.runs import recording
from memfactory_core.runs.bodies import Pattern, pack, unpack, unpack_json, write_json
from memfactory_core.runs.tables import EpisodeRow, ExampleRow
from memfactory_core.types import Completion, Turn
from tests.conftest import ON_BOTH
from tests.runs.test_chats import played

HARD = (
    "", "x", 'a "quoted" \\ line\nand \x01 control \x02 characters \x010\x02 ' * 20, "ü 漢字 🎈 " * 100,
    "long " * 20_000, "7" * 600,
)  # fmt: skip


def attempt(name, said, observations=HARD):
    """An attempt whose prompts repeat what is read, as those of chat models do."""
    (episode,) = played(1)
    example = episode.example.model_copy(update={"observations": tuple(observations)})
    turns = tuple(
        Turn(
            role="update",
            messages=({"role": "user", "content": f"Text: {text}\nMemory: {said}"},),
            completion=Completion(text=said, prompt_ids=(1, 2), completion_ids=(3,)),
        )
        for text in observations
    )
    told = {"id": name, "example": example, "turns": turns, "answer": said, "events": ()}
    return episode.model_copy(update=told)


@pytest.mark.parametrize("said", ["first", "another", "\x01\x02 \x010\x02 \x017\x02", ""])
def test_an_attempt_comes_back_as_it_was(said):
    pattern = Pattern.unpack(Pattern.of(attempt("a", "first")).pack())
    one = attempt("a", said)
    body = pattern.pack_episode(one)
    assert pattern.restore(body) == write_json(one)
    assert unpack(body, pattern.pack()) == one


def test_a_body_that_was_cut_is_no_episode():
    one = attempt("a", "first")
    pattern = Pattern.of(one)
    with pytest.raises(zlib.error):
        pattern.restore(pattern.pack_episode(attempt("b", "another"))[:-6])


def test_a_text_of_any_length_is_kept_once():
    """A dictionary alone reaches back 32 KiB; the memory is short and the text is not."""
    text = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz    ", k=60_000))
    first = attempt("a", "first", [text])
    pattern = Pattern.of(first)
    assert len(pattern.pack_episode(first)) < 40
    others = [len(pattern.pack_episode(attempt(str(i), f"said {i}", [text]))) for i in range(8)]
    assert max(others) < 200 < 30_000 < len(pack(first))


@ON_BOTH
def test_a_run_keeps_an_example_once_over_phases_and_batches(lab):
    one, other = attempt("a", "x"), attempt("b", "y", HARD[:2])
    again = one.model_copy(update={"id": "c", "answer": "z"})
    recording.save_episodes(lab, "r", "train", 1, [one, other])
    recording.save_episodes(lab, "r", "after/greedy", 2, [again])
    with Session(lab) as session:
        assert session.exec(select(func.count()).select_from(ExampleRow)).one() == 2
        rows = {row.id: row for row in session.exec(select(EpisodeRow)).all()}
    assert {name: row.episode for name, row in rows.items()} == {"a": one, "b": other, "c": again}
    recording.forget_episodes(lab, "r", "train")
    with Session(lab) as session:
        kept = session.exec(select(ExampleRow.id)).all()
    assert kept == [rows["c"].shared], "what no episode needs is gone, what one needs is not"
    assert list(recording.recorded_episodes(lab, "r", "after/greedy")) == [again]


def test_what_stands_alone_is_read_without_a_pattern(lab):
    """As chats do, and the episodes of older versions."""
    one = attempt("a", "x")
    assert unpack_json(pack(one)) == write_json(one)
    recording.save_episodes(lab, "r", "train", 1, [one])
    with lab.begin() as connection:
        connection.exec_driver_sql("UPDATE episode SET shared = NULL")
        connection.exec_driver_sql("UPDATE episode SET body = ?", (pack(one),))
        connection.exec_driver_sql("DELETE FROM example")
    assert list(recording.recorded_episodes(lab, "r", "train")) == [one]
