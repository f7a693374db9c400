"""Chats are kept beside the runs, the newest first, and no more than so many."""

from memfactory_core.config import load
from memfactory_core.episode import run_episodes
from memfactory_core.runs import chats, database
from memfactory_core.trace import replay


def played(count):
    config = load("memagent-tiny", ["mode=evaluate", "policy=scripted"])
    return run_episodes(
        config.paradigm, config.policy.load(), config.task.examples(count, 1), 0.0
    )  # fmt: skip


def test_a_chat_comes_back_with_its_bank(tmp_path):
    engine = database.connect(f"sqlite:///{tmp_path / 'lab.db'}")
    assert chats.recent(engine) == [] and chats.get(engine, "none") is None
    (episode,) = played(1)
    chats.save(engine, "An agent", episode)
    (chat,) = chats.recent(engine)
    assert (chat.id, chat.agent) == (episode.id, "An agent")
    assert chat.question == episode.example.question
    kept = chats.get(engine, chat.id)
    assert replay(kept.events) == replay(episode.events) and kept.answer == episode.answer
    assert database.list_runs(engine) == []


def test_only_the_newest_are_kept(tmp_path):
    engine = database.connect(f"sqlite:///{tmp_path / 'lab.db'}")
    episodes = played(5)
    for episode in episodes:
        chats.save(engine, "An agent", episode, kept=3)
    assert [chat.id for chat in chats.recent(engine)] == [e.id for e in episodes[:1:-1]]
    assert len(chats.recent(engine, 2)) == 2
