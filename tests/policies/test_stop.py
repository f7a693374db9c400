"""An answer that ends where a text is said (`paradigm.answer_stop`)."""

import pytest

from memfactory_core.config import load
from memfactory_core.dialects.thinking import set_apart
from memfactory_core.episode import Ask, Sampler, run_episodes
from memfactory_core.paradigms import answer_messages
from memfactory_core.policies.api import Api
from memfactory_core.policies.language_model import Generated
from memfactory_core.policies.tiny import Tiny
from memfactory_core.talk.driving import listen, never
from memfactory_core.tasks.needle import Needle
from memfactory_core.types import Completion, Example
from tests.endpoint import says, serving

EXAMPLE = Example(id="e", observations=("o",), question="q", answers=("a",))


def asks(stop, count=12, room=16):
    """One memory and the question that it answers."""
    told = Needle(chunks=1, facts_per_chunk=1).examples(count, 0)
    return [
        Ask("answer", tuple(answer_messages(list(one.observations), one.question)), room, True, {}, one, stop=stop)
        for one in told
    ]  # fmt: skip


@pytest.mark.parametrize("stop", [" of", "."])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_comes_after_the_stop_is_no_part_of_the_answer(temperature, stop):
    sampler = Tiny(min_p=0.1).load()
    room = 6 if stop == " of" else 16  # so short that what is not ended there is cut off
    sampler.seed(0)
    whole = sampler.complete(asks("", room=room), temperature)
    sampler.seed(0)
    ended = sampler.complete(asks(stop, room=room), temperature)
    cut = 0
    for before, after in zip(whole, ended, strict=True):
        length = len(after.completion_ids)
        assert after.completion_ids == before.completion_ids[:length]
        assert after.logprobs == before.logprobs[:length]
        assert after.kept == (before.kept and before.kept[:length])
        said, mark, rest = before.text.partition(stop)
        assert after.text == said + mark
        if rest:
            cut += 1
            assert (before.finish_reason, after.finish_reason) == ("length", "stop")
            assert sampler._decode_said(list(after.completion_ids)).strip() == after.text
        else:
            # the end token that it said by itself is kept
            assert after == before.model_copy(update={"finish_reason": "stop"})
    assert cut >= 11 if stop == " of" else cut == 0


@pytest.mark.parametrize(
    ("output", "stop", "thinking", "answer"),
    [
        ("<think>One. Two.</think>Three. Four.", ".", "One. Two.", "Three."),
        # the template opened the thinking, or the tokenizer hides what opens it
        ("One. Two.</think>Three. Four.", ".", "One. Two.", "Three."),
        ("Three. Two.</think>Three. Four.", ".", "Three. Two.", "Three."),
        ("analysis One. Two.assistantfinalThree. Four.", ".", "One. Two.", "Three."),
        ("<think>One. Two.", ".", "One. Two.", ""),
        ("Three\nFour", "\n", "", "Three"),
        ("Three. Four", ". ", "", "Three."),
        ("Three. Four", "!", "", "Three. Four"),
    ],
)
def test_a_stop_ends_what_is_said_and_never_the_thinking(output, stop, thinking, answer):
    sampler = Tiny().load()
    (ask,) = asks(stop, 1)
    ids = sampler._encode_said([output])[0]
    said = sampler._completion([1], Generated(ids, [0.0] * len(ids)), ask)
    apart = set_apart(said)
    assert (apart.thinking or "", apart.text) == (thinking, answer)
    assert len(said.completion_ids) == len(said.logprobs) <= len(ids)
    ended = answer and answer != output
    assert said.finish_reason == ("stop" if ended else "length")
    # of the ids none is kept that says more
    assert sampler._decode_said(list(said.completion_ids)).strip().endswith(answer or "Two.")


def test_an_answer_that_ends_with_its_stop_at_the_limit_is_not_cut_off():
    sampler = Tiny().load()
    (ask,) = asks(".", 1)
    ids = sampler._encode_said(["Bako is Zimo."])[0]
    said = sampler._completion([1], Generated(ids, [0.0] * len(ids)), ask)
    assert (said.text, said.finish_reason) == ("Bako is Zimo.", "stop")


def test_an_endpoints_answer_ends_there_too():
    def answer(body, key):
        return says("<think>No. Yes.</think>It is blue. It is blue. It", "length")

    with serving(answer) as url:
        said = Api(url=url).load().complete(
            [Ask("answer", ({"role": "user", "content": "q"},), 9, True, {}, EXAMPLE, stop=stop)
             for stop in (".", "")], 0.0,
        )  # fmt: skip
    assert (said[0].text, said[0].finish_reason) == ("It is blue.", "stop")
    assert set_apart(said[1]).text == "It is blue. It is blue. It"
    assert said[1].finish_reason == "length" and said[0].thinking == "No. Yes."


def test_a_talk_shows_nothing_of_what_comes_after_the_stop():
    (ask,) = asks(".", 1)

    class Aloud(Sampler):
        def complete(self, asks, temperature):
            return [Completion(text="<think>A. B.</think>Bako is Zimo.")]

        def stream(self, ask, temperature, heard):
            for end in range(1, 40):
                heard("<think>A. B.</think>Bako is Zimo. Bako is"[:end])
            heard("<think>A. B.</think>Bako is Zimo. Bako is")
            return self.complete([ask], temperature)[0]

    heard = listen(Aloud(), ask, never)
    shown = []
    with pytest.raises(StopIteration) as ended:
        while True:
            shown.append(next(heard))
    assert shown[-1] == "Bako is Zimo." and not any("A" in text for text in shown)
    assert ended.value.value.text.endswith("Bako is Zimo.")


def test_the_paradigms_setting_reaches_its_answers():
    config = load("rmm-tiny", ["paradigm.retriever=everything", "task.chunks=1"])
    sampler = config.policy.load()
    examples = config.task.examples(12, 0)

    paradigm = config.paradigm.model_copy(update={"answer_stop": " of"})
    played = run_episodes(paradigm, sampler, examples, 0.0)
    assert all(one.answer.endswith(" of") and len(one.answer.split()) == 3 for one in played)
