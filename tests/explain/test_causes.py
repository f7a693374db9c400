"""Attribution against traces with planted causes, alone and combined."""

import random

import pytest

from memfactory_core.explain.causes import CAUSES, explain, primary
from memfactory_core.tasks.language import Speaker
from memfactory_core.trace import Asked, Episode, Failed, Recalled, Wrote
from memfactory_core.types import Completion, Evidence, Example, Hit, Memory, Turn

PLANTED = [cause for cause in CAUSES if cause != "cannot_tell"]


class Story:
    """Writes a trace in which the needed facts meet given fates."""

    def __init__(self, seed: int, causes: list[str]) -> None:
        self.rng = random.Random(seed)
        self.speaker = Speaker(self.rng)
        told = {fact.attribute: fact for fact in self.speaker.facts(40, near=0.0)}
        self.needed = list(told.values())[: len(causes)]  # no word is shared, so the truth is known
        self.causes = causes
        self.events, self.turns, self.bank = [], [], {}
        self.blame = {}

    def log(self, kind, **fields):
        event = kind(seq=len(self.events), turn=len(self.turns), **fields)
        self.events.append(event)
        return event.seq

    def ask(self, role, text, at, finish="stop"):
        completion = Completion(text=text, finish_reason=finish)
        self.turns.append(Turn(role=role, messages=(), completion=completion, observation=at))
        return self.log(Asked, role=role, index=len(self.turns) - 1, at=at)

    def write(self, action, at, memory_id=None, after=None, reason=""):
        if action == "add":
            memory_id = str(len(self.bank) + 1)
        before = self.bank.get(memory_id) if action in ("update", "delete") else None
        if action in ("add", "update"):
            self.bank[memory_id] = after
        elif action == "delete":
            del self.bank[memory_id]
        return self.log(
            Wrote,
            at=at,
            action=action,
            memory_id=memory_id,
            before=before,
            after=after,
            reason=reason,
        )

    def read(self, at, fact, cause):
        other = self.speaker.facts(1)[0].sentence
        if cause == "never_extracted":
            self.blame[fact] = self.ask("extract", other, at)
            self.write("add", at, after=other)
            return
        self.ask("extract", fact.sentence, at)
        if cause == "not_written":
            self.blame[fact] = self.write(self.rng.choice(["noop", "add"]), at, after=other)
        elif cause == "malformed":
            self.blame[fact] = self.write(
                "reject", at, after=f"{fact.sentence} {other}", reason="over budget"
            )
        else:
            self.write("add", at, after=fact.sentence)

    def lose(self, at, fact, cause):
        memory_id = next((i for i, text in self.bank.items() if text == fact.sentence), None)
        other = self.speaker.facts(1)[0].sentence
        if cause in ("overwritten", "merged_away"):
            reason = "merged" if cause == "merged_away" else ""
            self.blame[fact] = self.write("update", at, memory_id, after=other, reason=reason)
        elif cause == "deleted":
            self.blame[fact] = self.write("delete", at, memory_id)

    def episode(self):
        pairs = list(zip(self.needed, self.causes, strict=True))
        for at, (fact, cause) in enumerate(pairs):
            self.read(at, fact, cause)
        for at, (fact, cause) in enumerate(pairs):
            self.lose(len(pairs) + at, fact, cause)
        question = f"What are {', '.join(f.entity for f in self.needed)}?"
        missed = {f.sentence for f, cause in pairs if cause == "not_retrieved"}
        hits = tuple(
            Hit(memory=Memory(id=i, text=text))
            for i, text in self.bank.items()
            if text not in missed
        )
        seq = self.log(Recalled, query=question, hits=hits)
        self.blame |= {f: seq for f, cause in pairs if cause == "not_retrieved"}
        said = "Nothing. " + " ".join(
            f"{f.entity} {f.attribute} is not known"
            for f, cause in pairs
            if cause == "reader_error"
        )
        seq = self.ask("answer", said, None)
        self.blame |= {f: seq for f, cause in pairs if cause in ("not_used", "reader_error")}
        if "failed" in self.causes:
            seq = self.log(Failed, error="ValueError: planted")
            self.blame = dict.fromkeys(self.needed, seq)
        observations = [f.sentence for f in self.needed] + ["Nothing."] * len(pairs)
        example = Example(
            id="e", observations=tuple(observations), question=question, answers=("never this",),
            evidence=tuple(Evidence(text=f.sentence, observation=i) for i, f in enumerate(self.needed)),
        )  # fmt: skip
        return Episode(
            id="e", group_id="g", example=example, turns=tuple(self.turns), events=tuple(self.events),
            answer=said, stop_reason="failed" if "failed" in self.causes else "answered",
        )  # fmt: skip


def judge(seed, causes):
    """(right cause and event, planted) for each needed fact."""
    story = Story(seed, causes)
    findings = explain(story.episode())
    wanted = ["failed"] * len(causes) if "failed" in causes else causes
    return [
        (finding.cause == cause and finding.seq == story.blame[fact], cause)
        for finding, fact, cause in zip(findings, story.needed, wanted, strict=True)
    ]


@pytest.mark.parametrize("cause", PLANTED)
def test_each_planted_cause_is_named_with_its_event(cause):
    verdicts = [right for seed in range(100) for right, _ in judge(seed, [cause])]
    assert sum(verdicts) / len(verdicts) >= 0.95


def test_planted_causes_are_named_when_several_meet():
    rng = random.Random(1)
    verdicts = []
    for seed in range(300):
        causes = rng.sample([c for c in PLANTED if c != "failed"], rng.randint(2, 4))
        verdicts += [right for right, _ in judge(seed, causes)]
    assert sum(verdicts) / len(verdicts) >= 0.95


def test_the_last_loss_decides_and_the_first_event_is_the_episodes_cause():
    story = Story(0, ["overwritten", "not_retrieved"])
    findings = explain(story.episode())
    assert [f.cause for f in findings] == ["overwritten", "not_retrieved"]
    assert primary(findings).cause == "overwritten"
    assert primary([]) is None


def test_a_right_answer_needs_no_cause():
    episode = Story(0, ["not_used"]).episode()
    assert explain(episode.model_copy(update={"answer": "never this"})) == []


def test_what_cannot_be_known_is_said():
    episode = Story(0, ["overwritten"]).episode()
    unknown = episode.example.model_copy(update={"evidence": ()})
    assert explain(episode.model_copy(update={"example": unknown}))[0].cause == "cannot_tell"
    paraphrase = (Evidence(text="words that nobody said", observation=0),)
    reworded = episode.example.model_copy(update={"evidence": paraphrase})
    assert explain(episode.model_copy(update={"example": reworded}))[0].cause == "cannot_tell"


def test_words_that_two_needed_facts_share_do_not_tell_which_was_misread():
    episode = Story(0, ["not_used", "not_used"]).episode()
    first, second = episode.example.evidence
    twin = Evidence(text=f"{second.text.split(' of ')[0]} of Zozo is Zaza.", observation=0)
    example = episode.example.model_copy(
        update={"evidence": (twin, second), "observations": (twin.text, second.text)}
    )
    (add, *_) = [e for e in episode.events if isinstance(e, Wrote)]
    hits = (
        Hit(memory=Memory(id="1", text=twin.text)),
        Hit(memory=Memory(id="2", text=second.text)),
    )
    events = [
        e.model_copy(update={"after": twin.text}) if e is add
        else e.model_copy(update={"hits": hits}) if isinstance(e, Recalled) else e
        for e in episode.events
    ]  # fmt: skip
    said = second.text.split()[1]
    findings = explain(
        episode.model_copy(update={"example": example, "events": tuple(events), "answer": said})
    )
    assert [finding.cause for finding in findings] == ["cannot_tell", "cannot_tell"]


def test_a_rewording_that_keeps_every_word_cannot_be_judged():
    fact = Evidence(text="The pet of Bako is Zimo.", observation=0)
    example = Example(
        id="e",
        observations=(fact.text,),
        question="What is the pet of Bako?",
        answers=("Zimo",),
        evidence=(fact,),
    )
    wrote = Wrote(
        seq=0, at=0, action="add", memory_id="1", after="Zimo is the name of the pet that Bako has."
    )
    episode = Episode(id="e", group_id="g", example=example, events=(wrote,), answer="Unknown.")
    assert explain(episode)[0].cause == "cannot_tell"


def test_the_fate_of_memories_and_needed_facts():
    from memfactory_core.explain.needs import memory_fates, need_fates, survival

    story = Story(3, ["deleted", "not_used"])
    episode = story.episode()
    lost, kept = memory_fates(episode)
    assert lost.ended is not None and lost.needed_later and lost.reads == 0
    assert kept.ended is None and not kept.needed_later and kept.reads == 1
    first, second = need_fates(episode, explain(episode))
    assert (first.told, first.stored, first.lost, first.cause) == (0, 0, 2, "deleted")
    assert (second.told, second.stored, second.lost, second.cause) == (1, 1, None, "not_used")
    assert survival([first, second]) == [(0, 1.0, 2), (1, 1.0, 2), (2, 0.5, 2), (3, 0.0, 1)]


def planted_table(stories=1000):
    """Rows of (cause, planted, found right) over stories of one to four planted causes."""
    rng = random.Random(7)
    counts = {cause: [0, 0] for cause in PLANTED}
    for seed in range(stories):
        single = seed < stories // 4
        causes = (
            [PLANTED[seed % len(PLANTED)]] if single else rng.sample(PLANTED, rng.randint(2, 4))
        )
        for right, cause in judge(seed, causes):
            counts[cause][0] += 1
            counts[cause][1] += right
    return [(cause, planted, found) for cause, (planted, found) in counts.items()]


if __name__ == "__main__":
    for cause, planted, found in planted_table():
        print(f"{cause:16} planted {planted:5} found {found:5} ({found / planted:.1%})")
