"""Causes judged by words alone: plain English, where a memory may reword what it keeps."""

import pytest

from memfactory_core.explain.causes import explain
from memfactory_core.explain.inventions import find_inventions
from memfactory_core.explain.statements import says_otherwise, takes_back, telling, untold
from memfactory_core.trace import Asked, Episode, Recalled, Wrote
from memfactory_core.types import Completion, Evidence, Example, Hit, Memory, Question, Turn

OLD = "Ann works as a nurse at the harbour clinic."
NEW = "Ann works as a teacher at the harbour clinic."
QUESTION = "What does Ann work as?"


def episode(observations, writes, answer, gold, fact=None, at=1, question=QUESTION):
    """Writes are (observation, action, memory id, before, after, reason); then everything is read and answered."""
    events, bank = [], {}
    for seq, (where, action, name, before, after, *reason) in enumerate(writes):
        events.append(
            Wrote(seq=seq, at=where, action=action, memory_id=name, before=before, after=after,
                  reason=(reason or [""])[0])
        )  # fmt: skip
        if action in ("add", "update"):
            bank[name] = after
        elif action == "delete":
            bank.pop(name, None)
    hits = tuple(Hit(memory=Memory(id=name, text=text)) for name, text in bank.items())
    events.append(Recalled(seq=len(events), query=question, hits=hits))
    events.append(Asked(seq=len(events), role="answer", index=0))
    turn = Turn(role="answer", messages=(), completion=Completion(text=answer))
    evidence = (Evidence(text=fact, observation=at),) if fact else ()
    example = Example(
        id="e",
        observations=tuple(observations),
        question=question,
        answers=(gold,),
        evidence=evidence,
    )
    return Episode(
        id="e", group_id="g", example=example, turns=(turn,), events=tuple(events), answer=answer
    )


def cause(*arguments, **options):
    (finding,) = explain(episode(*arguments, **options))
    return finding.cause, finding.seq


def test_a_change_that_was_not_carried_out_is_stale():
    told = [OLD, NEW]
    first = (0, "add", "1", None, OLD)
    ignored = [first, (1, "noop", None, None, "NOOP")]
    assert cause(told, ignored, "A nurse.", "teacher", NEW) == ("stale", 1)
    beside = [first, (1, "add", "2", None, NEW)]
    assert cause(told, beside, "nurse", "teacher", NEW) == ("stale", 1)
    refused = [first, (1, "reject", None, None, NEW, "the bank is full: it holds 1 memories")]
    assert cause(told, refused, "nurse", "teacher", NEW) == ("no_room", 1)


def test_an_old_value_that_was_not_answered_is_not_stale():
    writes = [(0, "add", "1", None, OLD), (1, "noop", None, None, "NOOP")]
    assert cause([OLD, NEW], writes, "A pilot.", "teacher", NEW) == ("not_written", 1)


def test_a_value_that_was_told_later_is_not_old():
    later = [NEW, OLD]
    writes = [(0, "noop", None, None, "NOOP"), (1, "add", "1", None, OLD)]
    assert cause(later, writes, "nurse", "teacher", NEW, at=0) == ("not_written", 0)


@pytest.mark.parametrize(
    "back", ["Ann no longer works as a nurse.", "Ann doesn't work as a nurse any more."]
)
def test_a_retraction_that_was_not_carried_out_is_stale(back):
    writes = [(0, "add", "1", None, "Ann works as a nurse."), (1, "noop", None, None, "NOOP")]
    told = ["Ann works as a nurse.", back]
    assert cause(told, writes, "nurse", "Unknown.") == ("stale", 1)


def test_what_was_never_taken_back_and_is_not_needed_cannot_be_told():
    writes = [(0, "add", "1", None, "Ann works as a nurse.")]
    told = ["Ann works as a nurse.", "Ann works long hours."]
    assert cause(told, writes, "nurse", "Unknown.") == ("cannot_tell", None)


def test_a_value_that_nobody_told_is_altered():
    slipped = NEW.replace("teacher", "preacher")
    writes = [(0, "add", "1", None, slipped)]
    assert cause([NEW], writes, "preacher", "teacher", NEW, at=0) == ("altered", 0)
    kept = [(0, "add", "1", None, NEW), (1, "update", "1", NEW, slipped)]
    assert cause([NEW, "It rained."], kept, "preacher", "teacher", NEW, at=0) == ("altered", 1)
    told = [(0, "add", "1", None, NEW), (1, "update", "1", NEW, OLD)]
    assert cause([NEW, OLD], told, "nurse", "teacher", NEW, at=0)[0] == "overwritten"


def test_a_memory_that_nobody_stated_is_invented():
    made_up = "Zebras crossed the frozen Danube yesterday."
    writes = [(0, "add", "1", None, NEW), (1, "update", "1", NEW, made_up)]
    assert cause([NEW, "It rained."], writes, "Unknown", "teacher", NEW, at=0) == ("invented", 1)
    instead = [(0, "add", "1", None, made_up)]
    assert cause([NEW], instead, "Unknown", "teacher", NEW, at=0) == ("invented", 0)


def test_rewordings_are_not_called_invented():
    section = (
        "[8 May 2023] Caroline: I went to a LGBTQ support group yesterday and it was so powerful."
    )
    for text in (
        "Caroline went to an LGBTQ support group on 7 May 2023.",
        "Caroline found the support group powerful.",
        "Caroline: attended LGBTQ support group (powerful)",
    ):
        assert untold(text, [section]) == (), text
    assert untold("Melanie adopted two Siberian huskies.", [section]) != ()


def test_an_invention_is_blamed_on_the_write_that_brought_it():
    facts = ["The pet of Bako is Zimo.", "The car of Nila is Rero."]
    made_up = "The job of Bako is Lulu."
    writes = [
        Wrote(seq=0, at=0, action="add", memory_id="1", after=facts[0]),
        Wrote(seq=1, at=1, action="update", memory_id="1", before=facts[0], after=f"{facts[0]} {made_up}"),
        Wrote(seq=2, at=1, action="update", memory_id="1", before="", after=f"{made_up} The car of Nila is Re."),
    ]  # fmt: skip
    example = Example(id="e", observations=tuple(facts), question="?", answers=())
    found = find_inventions(example, writes)
    assert [(i.seq, i.invented, i.altered) for i in found.values()] == [
        (1, (made_up,), ()), (2, (), ("The car of Nila is Re.",)),
    ]  # fmt: skip


def test_statements_of_the_same_thing():
    value, known = telling("teacher"), telling(f"{OLD} {NEW}")
    assert says_otherwise("Ann works as a preacher at the harbour clinic.", NEW, value, known)
    assert not says_otherwise("Ann likes the harbour.", NEW, value, known)
    assert not says_otherwise("At the harbour clinic Ann works as a teacher.", NEW, value, known)
    pets = ("The pet of Bako is Zimo.", "The pet of Bako is Rilo.", "The pet of Nila is Zimo.")
    nothing = frozenset()
    assert says_otherwise(pets[0], pets[1], nothing, nothing)
    assert not says_otherwise(pets[0], pets[2], nothing, nothing)
    assert takes_back("The pet of Bako is gone.", pets[0], telling("Zimo"))
    assert not takes_back("The pet of Nila is gone.", pets[0], telling("Zimo"))


def test_the_cause_names_the_question_that_failed(lab):
    from sqlmodel import Session, select

    from memfactory_core.config import load
    from memfactory_core.runs import jobs
    from memfactory_core.runs.recording import save_episodes
    from memfactory_core.runs.tables import EpisodeRow

    played = episode([NEW], [(0, "add", "1", None, NEW)], "teacher", "teacher", NEW, at=0)
    second = Question(
        question="Where does Ann work?", answers=("harbour clinic",),
        evidence=(Evidence(text=NEW, observation=0),),
    )  # fmt: skip
    played = played.model_copy(
        update={
            "example": played.example.model_copy(update={"others": (second,)}),
            "other_answers": ("At home.",),
        }
    )
    run = jobs.create(lab, load("memagent-tiny"))
    save_episodes(lab, run.id, "train", 1, [played])
    with Session(lab) as session:
        row = session.exec(select(EpisodeRow)).one()
    assert (row.question, row.answer) == (QUESTION, "teacher")
    assert (row.failed_question, row.failed_answer, row.failed_gold) == (
        "Where does Ann work?", "At home.", "harbour clinic",
    )  # fmt: skip
