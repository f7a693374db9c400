"""Memory-R1's two banks, its temporal bank and its selection before the answer."""

import pytest

from memfactory_core.config import load
from memfactory_core.dialects.chat import Chat
from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.paradigms.memory_r1 import MemoryR1
from memfactory_core.rewards import measure
from memfactory_core.tasks.locomo import LoCoMo
from memfactory_core.trace import Cited, Recalled, Wrote, replay
from memfactory_core.types import Completion, Evidence, Example

TOLD = (
    "[1 May 2023] Ann: I adopted a dog called Rex.", "[1 May 2023] Ben: I have a dog called Bo.",
    "[2 May 2023] Ann: My dog Rex is ill.", "[2 May 2023] Ben: My dog Bo is well.",
    "[3 May 2023] Ann: I also adopted the dog Max.",
)  # fmt: skip
EXAMPLE = Example(
    id="e", observations=TOLD, question="Which dog is ill?", answers=("Rex",),
    evidence=(Evidence(text=TOLD[2], observation=2),), meta={"linked_turn": 4},
)  # fmt: skip
BANKS = {"kind": "speakers", "inner": {"kind": "bm25", "top_k": 1}}


class Adding(Sampler):
    """A chat model that adds every fact and answers with what it selects."""

    def __init__(self, said="Memories: [3]\nAnswer: \\boxed{Rex}"):
        self.said, self.shown = said, []

    def dialect_of(self, role):
        return Chat()

    def complete(self, asks, temperature):
        self.shown += [(ask.role, ask.messages[-1]["content"]) for ask in asks]
        return [
            Completion(text=self.said if ask.role == "answer" else f"ADD {ask.facts['fact']}")
            for ask in asks
        ]


def play(sampler=None, example=EXAMPLE, **settings):
    paradigm = MemoryR1(cites=True, retriever=BANKS, **settings)
    [episode] = run_episodes(paradigm, sampler or Adding(), [example])
    return episode


def test_an_answer_reads_the_best_of_each_speakers_bank():
    last = [e for e in play().events if isinstance(e, Recalled)][-1]
    assert [hit.memory.text for hit in last.hits] == [TOLD[2], TOLD[1]]


def test_a_fact_is_shown_beside_the_memories_of_its_speaker_alone():
    sampler = Adding()
    play(sampler, updater={"kind": "crud", "related": BANKS})
    beside = [shown for role, shown in sampler.shown if role == "manage"]
    assert "No memory." in beside[0] and "No memory." in beside[1]
    assert "#1 [1 May 2023] Ann:" in beside[2] and "Ben:" not in beside[2]
    assert "#2 [1 May 2023] Ben:" in beside[3] and "Ann:" not in beside[3]


@pytest.mark.parametrize(
    "told", [("A dog called Rex. It is ill.", "A cat."), ("Ann: the dog Rex.\nBen: ill.", "Ben: x\nAnn: y")]
)  # fmt: skip
def test_where_nobody_or_several_speak_all_is_one_bank(told):
    example = EXAMPLE.model_copy(update={"observations": told, "evidence": (), "meta": {}})
    last = [e for e in play(example=example).events if isinstance(e, Recalled)][-1]
    assert [hit.memory.text for hit in last.hits] == [told[0]]


def test_the_manager_decides_on_the_linked_turn_alone():
    episode = play(temporal_bank=True)
    assert [turn.role for turn in episode.turns] == ["manage", "answer"]
    wrote = [e for e in episode.events if isinstance(e, Wrote)]
    assert [(e.action, e.after, e.at) for e in wrote] == [
        ("add", text, at) for at, text in enumerate(TOLD)
    ]
    whole = EXAMPLE.model_copy(update={"meta": {}})
    assert len(play(example=whole, temporal_bank=True).turns) == len(play().turns) == 6


def test_the_answer_agent_selects_and_what_it_selects_is_paid():
    episode = play()
    assert episode.answer == "\\boxed{Rex}"
    [cited] = [e for e in episode.events if isinstance(e, Cited)]
    assert (cited.question, cited.memory_ids) == (EXAMPLE.question, ("3",))
    scores = measure(episode)
    assert (scores["exact_match"], scores["citation"], scores["rejected"]) == (1.0, 0.0, 0.0)
    both = measure(play(Adding("Memories: [3, 2]\nAnswer: Rex")))
    none = measure(play(Adding("Memories: []\nAnswer: Rex")))
    assert (both["citation"], none["citation"]) == (1.0, -1.0)


@pytest.mark.parametrize("said", ["Rex", "Memories: [9]\nAnswer: Rex"])
def test_a_selection_that_cannot_be_read_is_rejected_and_the_answer_counts(said):
    scores = measure(play(Adding(said)))
    assert scores["exact_match"] == 1.0 and 0 < scores["rejected"] < 1


def test_a_citation_is_no_measure_of_answers_that_cite_nothing():
    [episode] = run_episodes(MemoryR1(retriever=BANKS), Adding("Rex"), [EXAMPLE])
    assert "citation" not in measure(episode)


def test_locomo_links_each_question_of_a_window_to_its_turn(data):
    [file] = list((data / "locomo").glob("*.json"))[:1]
    config = load("memory-r1-qwen3-lora", [f"task.path={file}"])
    examples = LoCoMo(path=str(file), observation="turn", window=50).examples(20, 0)
    for example in examples:
        assert example.meta["linked_turn"] == len(example.observations) - 1
        assert max(item.observation for item in example.evidence) == example.meta["linked_turn"]
    [episode] = run_episodes(config.paradigm, Adding(), examples[:1])
    assert [turn.role for turn in episode.turns] == ["manage", "answer"]
    names = {m.text.split("] ")[1].split(":")[0] for m in replay(episode.events).values()}
    read = [e for e in episode.events if isinstance(e, Recalled)][-1].hits
    assert len(names) == 2 and len(read) <= 60
