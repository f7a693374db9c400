"""Chats are kept beside the runs, the newest first, and no more than so many."""

from memfactory_core.config import load
from memfactory_core.episode import run_episodes
from memfactory_core.runs import chats, database
from memfactory_core.trace import replay
from tests.conftest import ON_BOTH

pytestmark = ON_BOTH


def played(count):
    config = load("memagent-tiny", ["mode=evaluate", "policy=scripted"])
    return run_episodes(
        config.paradigm, config.policy.load(), config.task.examples(count, 1), 0.0
    )  # fmt: skip


def test_a_chat_comes_back_with_its_bank(lab):
    assert chats.recent(lab) == [] and chats.get(lab, "none") is None
    (episode,) = played(1)
    chats.save(lab, "An agent", episode)
    (chat,) = chats.recent(lab)
    assert (chat.id, chat.agent) == (episode.id, "An agent")
    assert chat.question == episode.example.question
    kept = chats.get(lab, chat.id)
    assert replay(kept.events) == replay(episode.events) and kept.answer == episode.answer
    assert database.list_runs(lab) == []


def test_only_the_newest_are_kept(lab):
    episodes = played(5)
    for episode in episodes:
        chats.save(lab, "An agent", episode, kept=3)
    assert [chat.id for chat in chats.recent(lab)] == [e.id for e in episodes[:1:-1]]
    assert len(chats.recent(lab, 2)) == 2
