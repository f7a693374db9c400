"""Thinking in all the forms in which models and servers give it: cut off for every role, kept in the trace."""

import time

import pytest

from memfactory_core.config import load
from memfactory_core.dialects.thinking import set_apart, split_thinking
from memfactory_core.endpoint import read_reply
from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.policies.api import Api
from memfactory_core.rewards import measure
from memfactory_core.trace import Wrote, replay
from memfactory_core.types import Completion
from tests.endpoint import serving

THOUGHT = "ADD wrong, or \\boxed{London}?"


@pytest.mark.parametrize(
    ("output", "thinking", "text"),
    [
        (f"<think>{THOUGHT}</think>NOOP", THOUGHT, "NOOP"),
        (f"<think>\n{THOUGHT}\n</think>\n\nNOOP", THOUGHT, "NOOP"),
        (f"{THOUGHT}\n</think>\nNOOP", THOUGHT, "NOOP"),
        (f"<think>{THOUGHT}", THOUGHT, ""),
        (f"<thinking>{THOUGHT}</thinking> NOOP", THOUGHT, "NOOP"),
        (f"<reasoning>{THOUGHT}</reasoning>NOOP", THOUGHT, "NOOP"),
        (f"<Thought>{THOUGHT}</Thought>NOOP", THOUGHT, "NOOP"),
        (f"[THINK]{THOUGHT}[/THINK]NOOP", THOUGHT, "NOOP"),
        (f"◁think▷{THOUGHT}◁/think▷NOOP", THOUGHT, "NOOP"),
        (f"<seed:think>{THOUGHT}</seed:think>NOOP", THOUGHT, "NOOP"),
        (
            f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>NOOP<|END_RESPONSE|>",
            THOUGHT,
            "NOOP",
        ),
        (
            f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>NOOP"
            "<|return|>",
            THOUGHT,
            "NOOP",
        ),
        (f"<|channel|>analysis<|message|>{THOUGHT}", THOUGHT, ""),
        (f"analysis{THOUGHT}assistantfinalNOOP", THOUGHT, "NOOP"),
        (f"NOOP <think>{THOUGHT}</think>", THOUGHT, "NOOP"),
        ("<think>a</think>NO<think>b</think>OP", "a\nb", "NO\nOP"),
        ("<think>the tag </think> ends it</think>NOOP", "the tag\nends it", "NOOP"),
        ("<think></think>\n\nNOOP", "", "NOOP"),
        ("I think <b>so</b>.", "", "I think <b>so</b>."),
        ("analysis of the text", "", "analysis of the text"),
        ("", "", ""),
    ],
)
def test_thinking_is_set_apart(output, thinking, text):
    assert split_thinking(output) == (thinking, text)


def test_ids_stay_those_that_were_sampled():
    done = set_apart(
        Completion(text="<think>a</think>b", completion_ids=(1, 2, 3), logprobs=(0.0,) * 3)
    )
    assert (done.text, done.thinking, done.completion_ids) == ("b", "a", (1, 2, 3))
    assert done.length == 3 and set_apart(done) == done
    plain = Completion(text=" as it stands ")
    assert set_apart(plain) is plain


def reply(**message):
    choice = {"message": message, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"completion_tokens": 7}}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "NOOP", "reasoning_content": THOUGHT},
        {"content": "NOOP", "reasoning": THOUGHT},
        {"content": "NOOP", "reasoning": THOUGHT, "reasoning_content": THOUGHT},
        {"content": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": "NOOP"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, "NOOP"]},
        {"content": [{"type": "reasoning", "text": THOUGHT}, {"type": "output_text", "text": "NOOP"}]},
        {"content": f"<think>{THOUGHT}</think>NOOP"},
    ],
)  # fmt: skip
def test_servers_return_thinking_in_fields_and_parts(message):
    done = set_apart(read_reply(reply(role="assistant", **message)))
    assert (done.text, done.thinking, done.tokens) == ("NOOP", THOUGHT, 7)


def test_other_replies():
    assert read_reply(reply(content=None, reasoning_content="a")).text == ""
    assert read_reply(reply(content=None, refusal="I will not.")).text == "I will not."
    cut = {"choices": [{"message": {"content": "x"}, "finish_reason": "max_tokens"}]}
    assert read_reply(cut).finish_reason == "length"
    odd_parts = reply(content=[{"type": "thinking"}])
    for odd in ({}, {"choices": []}, reply(), reply(content=3), reply(content=[3]), odd_parts):
        with pytest.raises((KeyError, IndexError, TypeError, AttributeError, StopIteration)):
            read_reply(odd)


RIGHT = {"update": "kept", "manage": "ADD kept", "merge": "ADD kept", "extract": "kept",
         "rerank": "#1", "answer": "\\boxed{Paris}"}  # fmt: skip
WRONG = {"answer": "\\boxed{London}"}


class Thinking(Sampler):
    """Thinks of something wrong in a form that the output shows, then says what is right."""

    def __init__(self, form):
        self.form = form

    def complete(self, asks, temperature):
        def said(role):
            wrong = WRONG.get(role, "ADD wrong\n#9")
            return Completion(text=self.form.format(wrong) + RIGHT[role], completion_ids=(1, 2))

        return [said(ask.role) for ask in asks]


@pytest.mark.parametrize(
    "form", ["<think>{}</think>\n", "{}\n</think>\n", "<reasoning>{}</reasoning>"]
)
@pytest.mark.parametrize("recipe", ["memagent-tiny", "memory-r1-tiny", "rmm-tiny"])
def test_no_role_of_any_paradigm_takes_thinking_for_words(recipe, form):
    more = [] if recipe == "memagent-tiny" else ["paradigm.extractor=facts"]
    config = load(recipe, ["policy=hf", *more])
    example = config.task.examples(1, 0)[0].model_copy(
        update={"observations": ("kept",), "answers": ("Paris",), "others": ()}
    )
    (episode,) = run_episodes(config.paradigm, Thinking(form), [example])
    writes = [event for event in episode.events if isinstance(event, Wrote)]
    assert [write.action for write in writes] == ["add"]
    assert [memory.text for memory in replay(episode.events).values()] == ["kept"]
    assert episode.answer == "\\boxed{Paris}"
    assert all(
        "wrong" in t.completion.thinking or "London" in t.completion.thinking for t in episode.turns
    )
    scores = measure(episode)
    assert (scores["exact_match"], scores["rejected"], scores["length"]) == (1.0, 0.0, 2.0)


def test_thinking_that_never_ends_is_no_answer_and_no_memory():
    class Lost(Sampler):
        def complete(self, asks, temperature):
            return [
                Completion(text="<think>ADD x \\boxed{Paris}", finish_reason="length") for _ in asks
            ]

    config = load("memagent-tiny")
    example = config.task.examples(1, 0)[0].model_copy(update={"answers": ("Paris",)})
    (episode,) = run_episodes(config.paradigm, Lost(), [example])
    assert replay(episode.events) == {} and episode.answer == ""
    assert measure(episode)["exact_match"] == 0.0
    reasons = {event.reason for event in episode.events if isinstance(event, Wrote)}
    assert reasons == {"cut off at the length limit"}


def test_tokens_that_a_server_counted_are_the_length():
    def answer(body, key):
        return 200, reply(content="kept", reasoning_content="hm")

    config = load("memagent-tiny", ["task.chunks=1"])
    with serving(answer) as url:
        (episode,) = run_episodes(config.paradigm, Api(url=url).load(), config.task.examples(1, 0))
    assert {turn.completion.thinking for turn in episode.turns} == {"hm"}
    assert measure(episode)["length"] == 7.0


@pytest.mark.parametrize("piece", ["<think>", "</think>", "<", "<|channel|>final", "analysis", " "])
def test_a_million_characters_are_split_in_time(piece):
    start = time.process_time()
    split_thinking(piece * (1_000_000 // len(piece)))
    assert time.process_time() - start < 5
