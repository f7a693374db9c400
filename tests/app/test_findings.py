"""What the lab found out is shown as it is: the failed question, the reason of a read, what nobody has stated."""

import pytest
from sqlalchemy import update

from app.markup.hits import hits_table
from app.markup.labels import CAUSE_SIGNS
from app.markup.moments import moment_card
from app.markup.sections import section_cards
from app.reads.causes import list_failures
from app.run.charts import CAUSE_COLOURS
from memfactory_core.component import kinds
from memfactory_core.config import load
from memfactory_core.episode import Context, steps
from memfactory_core.explain import story
from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.inventions import find_inventions
from memfactory_core.explain.moments import moments
from memfactory_core.retrievers.everything import Everything
from memfactory_core.retrievers.random import RandomDraw
from memfactory_core.runs import jobs
from memfactory_core.runs.recording import save_episodes
from memfactory_core.runs.tables import EpisodeRow
from memfactory_core.stores.ram import Ram
from memfactory_core.trace import Episode, Wrote
from memfactory_core.types import Completion, Evidence, Example, Hit, Memory, Op, Question

FACTS = ("The pet of Bako is Zimo.", "The car of Nila is Rero.")
MADE_UP = "The job of Bako is Lulu."


def example():
    evidence = [Evidence(text=text, observation=place) for place, text in enumerate(FACTS)]
    second = Question(
        question="What is the car of Nila?", answers=("Rero",), evidence=(evidence[1],)
    )
    return Example(
        id="e", observations=FACTS, question="What is the pet of Bako?", answers=("Zimo",),
        evidence=(evidence[0],), others=(second,),
    )  # fmt: skip


def episode():
    writes = (
        Wrote(seq=0, at=0, action="add", memory_id="1", after=f"{FACTS[0]} {MADE_UP}"),
        Wrote(seq=1, at=1, action="add", memory_id="2", after="The car of Nila is Re."),
    )
    return Episode(
        id="one",
        group_id="g",
        example=example(),
        events=writes,
        answer="Zimo",
        other_answers=("Re",),
    )


def recalled(retriever):
    context = Context(example(), Ram().open())
    context.apply(Op(action="add", text=text) for text in FACTS)
    walk = steps(retriever.retrieve("What is the pet of Bako?", context))
    try:
        next(walk)
        walk.send([Completion(text="pet of Bako")])  # what a policy would search for
    except StopIteration as end:
        return end.value
    raise AssertionError("this retriever asks the policy again")


def test_every_cause_has_a_sign_and_a_colour_of_its_own():
    assert set(CAUSE_SIGNS) == set(CAUSES)
    assert len(set(CAUSE_COLOURS)) >= len(CAUSES)


@pytest.mark.parametrize("older", [False, True])
def test_the_list_of_causes_shows_the_question_that_failed(lab, monkeypatch, older):
    run = jobs.create(lab, load("memagent-tiny"))
    save_episodes(lab, run.id, "train", 1, [episode()])
    if older:  # a row that was written before these columns were there
        empty = {"failed_question": None, "failed_answer": None, "failed_gold": None}
        with lab.begin() as connection:
            connection.execute(update(EpisodeRow).values(**empty))
    monkeypatch.setattr("app.reads.causes.database_engine", lambda: lab)
    (row,) = list_failures(run.id, "train", "altered", (1, 1), 8)
    shown = [row["failed_question"], row["failed_answer"], row["failed_gold"], row["cause_seq"]]
    assert shown == ["What is the car of Nila?", "Re", "Rero", 1]


def test_a_read_is_explained_by_what_its_hit_says():
    assert "drawn by chance" in hits_table(recalled(RandomDraw()))
    assert "everything is read" not in hits_table(recalled(RandomDraw()))
    assert "everything is read" in hits_table(recalled(Everything()))
    plain = hits_table([Hit(memory=Memory(id="1", text="x"))])
    assert "read without a score" in plain and "everything" not in plain


@pytest.mark.parametrize("kind", sorted(set(kinds("retrievers")) - {"rerank_llm"}))
def test_every_retriever_says_why_it_reads(kind):
    hits = recalled(kinds("retrievers")[kind]())
    assert hits and all(hit.scores for hit in hits)
    assert ("everything is read" in hits_table(hits)) == (kind == "everything")


def test_a_write_that_says_what_nobody_stated_is_marked():
    told = episode()
    html = section_cards(told.example, story.sections(told.example, told.events))
    assert "invented</span>" in html and f"Nobody stated: {MADE_UP}" in html
    assert "altered</span>" in html and "Nobody stated this value: The car of Nila is Re." in html
    found = find_inventions(told.example, told.events)
    first = moment_card(moments(told)[0], told, told.example.needed, None, found)
    assert "invented</span>" in first and "altered</span>" not in first
    clean = told.model_copy(
        update={"events": (Wrote(seq=0, at=0, action="add", memory_id="1", after=FACTS[0]),)}
    )
    html = section_cards(clean.example, story.sections(clean.example, clean.events))
    assert "invented" not in html and "Nobody stated" not in html
