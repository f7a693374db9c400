"""What is found out about one long conversation costs seconds at most: measures, causes, needs, lives and the pieces of
its page. The bounds are three times those that two quiet cores need to keep; processor time is counted."""

import random
import time

import pytest

from memfactory_core.episode import run_episodes
from memfactory_core.explain import moments, story
from memfactory_core.explain.causes import explain
from memfactory_core.explain.inventions import find_inventions
from memfactory_core.explain.memories import memory_lives
from memfactory_core.explain.needs import find_needs
from memfactory_core.paradigms.retrieval import Retrieval
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.rewards import measure
from memfactory_core.tasks.language import Speaker
from memfactory_core.tasks.locomo import LoCoMo
from memfactory_core.types import Evidence, Example, Question

NOISE = 3
FOUND_OUT = 1.0
"""Seconds for measures and everything that is found out about an episode."""
PAGE = 0.3
"""Seconds for what the episode's page computes at every rerun."""


def play(example):
    (episode,) = run_episodes(Retrieval(), ScriptedSampler("overlap", 0), [example], 0.0)
    return episode


def synthetic(turns=369, questions=81):
    """As many turns and questions as that conversation, of about as many words."""
    rng = random.Random(0)
    speaker = Speaker(rng)
    facts = speaker.facts(turns)
    texts = [
        f"[1:56 pm on 8 May, 2023] {speaker.name()}: {fact.sentence} "
        + " ".join(speaker.chatter() for _ in range(4))
        for fact in facts
    ]
    asked = [
        Question(
            question=fact.question, answers=("never this",),
            evidence=(Evidence(text=texts[place], observation=place),),
        )
        for place, fact in rng.sample(list(enumerate(facts)), questions)
    ]  # fmt: skip
    first, *others = asked
    return Example(
        id="long", observations=tuple(texts), question=first.question, answers=first.answers,
        evidence=first.evidence, others=tuple(others),
    )  # fmt: skip


def conversation(data):
    task = LoCoMo(path=str(data / "locomo" / "locomo6.json"), together=True, observation="turn")
    return min(task.examples(100, 0), key=lambda example: len(example.observations))


def seconds(work):
    began = time.process_time()
    work()
    return time.process_time() - began


def find_out(episode):
    measure(episode)
    findings = explain(episode)
    find_needs(episode, findings)
    memory_lives(episode)
    find_inventions(episode.example, episode.events)


def show_story(episode, page):
    from app.markup.answers import answer_cards
    from app.markup.sections import section_cards

    story.tell(episode)
    sections = story.sections(episode.example, episode.events)
    section_cards(episode.example, sections[30 * page : 30 * page + 30])
    answer_cards(episode)


def show_moment(episode, place):
    from app.markup.moments import moment_card

    story.tell(episode)
    moment = moments.moments(episode)[place]
    moments.needed_at(episode, moment.end)
    found = find_inventions(episode.example, episode.events)
    moment_card(moment, episode, episode.example.needed, None, found)


@pytest.fixture(params=["synthetic", "locomo"])
def long_episode(request):
    if request.param == "synthetic":
        return play(synthetic())
    return play(conversation(request.getfixturevalue("data")))


def test_a_long_conversation_is_explained_and_shown_in_time(long_episode):
    example = long_episode.example
    assert (len(example.observations), len(example.questions)) == (369, 81)
    assert len(explain(long_episode)) > 60
    assert seconds(lambda: find_out(long_episode)) < NOISE * FOUND_OUT
    for page in (0, 5, 11):
        assert seconds(lambda page=page: show_story(long_episode, page)) < NOISE * PAGE
    for place in (0, 200, -1):
        assert seconds(lambda place=place: show_moment(long_episode, place)) < NOISE * PAGE


if __name__ == "__main__":
    shown = play(synthetic())
    print(f"found out: {seconds(lambda: find_out(shown)):.3f} s")
    print(f"story, last page: {seconds(lambda: show_story(shown, 11)):.3f} s")
    print(f"last moment: {seconds(lambda: show_moment(shown, -1)):.3f} s")
