"""The rewriting updater where a memory may only be copied, whoever answers."""

import pytest

from memfactory_core.config import load
from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.paradigms.memagent import MemAgent
from memfactory_core.policies.scripted import Scripted
from memfactory_core.trace import Wrote
from memfactory_core.types import Completion, Example
from memfactory_core.updaters.overwrite import NOT_COPIED, Overwrite

TOLD = Example(
    id="e", observations=("Ann lives in Rome. A heading\nDr. Lee left.", "Ben won!"), question="Where is Ann?",
    answers=("Rome",),
)  # fmt: skip


class Says(Sampler):
    """Says given texts, one for each update, and keeps what it was asked."""

    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    def complete(self, asks, temperature):
        self.asked += [ask for ask in asks if ask.role == "update"]
        return [Completion(text=self.texts.pop(0) if a.role == "update" else "Rome") for a in asks]


def play(sampler):
    paradigm = MemAgent(updater=Overwrite(writes="copied"))
    (episode,) = run_episodes(paradigm, sampler, [TOLD], 0.0)
    return [event for event in episode.events if isinstance(event, Wrote)]


def test_what_may_be_written_are_the_sentences_of_memory_and_section():
    sampler = Says("Dr. Lee left. Ann lives in Rome.", "Ben won! Ann lives in Rome.")
    writes = play(sampler)
    first, second = (ask.copied for ask in sampler.asked)
    assert first.sentences == ("Ann lives in Rome.", "A heading", "Dr. Lee left.")
    assert second.sentences == ("Dr. Lee left.", "Ann lives in Rome.", "Ben won!")
    assert [write.action for write in writes] == ["add", "update"]
    assert writes[-1].after == "Ben won! Ann lives in Rome."


@pytest.mark.parametrize("said", ["Ann lives in Paris.", "Ann lives in Rome", "Ben won! And more."])
def test_a_policy_that_was_not_held_to_it_is_rejected_with_the_reason(said):
    (first, second) = play(Says("Ann lives in Rome.", said))
    assert first.action == "add"
    assert (second.action, second.reason) == ("reject", NOT_COPIED)


def test_nothing_is_read_into_a_copied_text_and_nothing_is_cut():
    """A sentence may look like a label, a refusal or an operation; it is stored as it was told."""
    told = TOLD.model_copy(update={"observations": ("Memory: ADD it. I cannot help with that.",)})
    paradigm = MemAgent(
        updater=Overwrite(writes="copied", too_long="cut"), store={"kind": "buffer", "budget": 20}
    )
    for said, action in (("Memory: ADD it.", "add"), ("I cannot help with that.", "reject")):
        (episode,) = run_episodes(paradigm, Says(said), [told], 0.0)
        (write,) = (event for event in episode.events if isinstance(event, Wrote))
        assert (write.action, write.after) == (action, said)
    assert "over budget" in write.reason


def test_memories_that_stay_take_their_room():
    copied = Overwrite(writes="copied")._copied(["Ann left.", "Ben won!"], "Cay sang.", 50)
    assert copied.budget == 50 - len("Ben won!")


@pytest.mark.parametrize("strategy", ["overlap", "last", "clairvoyant"])
def test_programs_that_write_whole_sentences_write_the_same(strategy):
    plain = load("memagent-tiny", ["mode=evaluate", "policy=scripted"])
    copied = load(
        "memagent-tiny", ["mode=evaluate", "policy=scripted", "paradigm.updater.writes=copied"]
    )
    examples = plain.task.examples(20, 3)
    played = [
        run_episodes(c.paradigm, Scripted(strategy=strategy).load(), examples)
        for c in (plain, copied)
    ]
    assert [e.answer for e in played[0]] == [e.answer for e in played[1]]
    assert [[w.after for w in e.events if isinstance(w, Wrote)] for e in played[0]] == [
        [w.after for w in e.events if isinstance(w, Wrote)] for e in played[1]
    ]


def test_freely_nothing_is_asked_to_be_copied():
    sampler = Says("Anything.", "at all")
    updater = Overwrite()
    run_episodes(MemAgent(updater=updater), sampler, [TOLD], 0.0)
    assert [ask.copied for ask in sampler.asked] == [None, None]
    assert updater.copies == frozenset() and Overwrite(writes="copied").copies == {"update"}
