"""A policy that can only copy: what may be said next, and that samplers draw from exactly that."""

import itertools
import random

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast

from memfactory_core.config import load
from memfactory_core.dialects.copied import Copied
from memfactory_core.episode import Ask
from memfactory_core.errors import ConfigError
from memfactory_core.policies.copying import Copier, Guide
from memfactory_core.policies.hf import HF
from memfactory_core.policies.tiny import Tiny
from memfactory_core.runs.examples import FOLDERS
from memfactory_core.tiny.tokenizer import make_tokenizer
from memfactory_core.types import Example
from tests.policies.test_policies import OPENING, save_model, templated

SENTENCES = (
    "The pet of Bako is Zimo.", "The pet of Bakone is Zimo.", "The city of Rilo is Fa.", "Is it?", "Is it? No!",
    'He said "no."', "a heading", "#1 is Bako.",
)  # fmt: skip
END = 9999
"""A token that ends a text and is none of a tokenizer's."""
EXAMPLE = Example(id="e", observations=("o",), question="q", answers=("a",))


def byte_level():
    core = ByteLevelBPETokenizer()
    core.train_from_iterator(SENTENCES * 9, vocab_size=330, show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=core._tokenizer)


TOKENIZERS = {"tiny": make_tokenizer, "bytes": byte_level}


def make_copier(tokenizer):
    def encode(texts):
        return tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    return Copier(
        encode, lambda ids: tokenizer.decode(ids, clean_up_tokenization_spaces=False), [END]
    )


def walk(cursor, rng):
    """The ids of one text, each drawn from what was allowed, without the end."""
    ids = []
    while not cursor.ended:
        ids.append(rng.choice(cursor.allowed))
        cursor.take(ids[-1])
    assert ids[-1] == END
    return ids[:-1]


def accepts(cursor, ids):
    for token in ids:
        if token not in cursor.allowed:
            return False
        cursor.take(token)
    return END in cursor.allowed


@pytest.mark.parametrize("name", TOKENIZERS)
def test_whatever_is_drawn_is_made_of_whole_sentences_in_the_tokenizers_own_tokens(name):
    tokenizer = TOKENIZERS[name]()
    copier, rng = make_copier(tokenizer), random.Random(0)
    copied = Copied(sentences=SENTENCES, budget=70)
    seen = set()
    for _ in range(300):
        ids = walk(copier.start(copied, 40), rng)
        text = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        assert copied.allows(text) and 0 < len(text) <= 70 and len(ids) < 40
        assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
        assert all(text.count(s) <= 1 + ("No!" in text) for s in SENTENCES)
        seen.add(text)
    assert len(seen) > 100


@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_order_of_every_choice_that_fits_can_be_said_and_nothing_else(name):
    tokenizer = TOKENIZERS[name]()
    copier = make_copier(tokenizer)

    def said(text, budget=70, room=60):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        copied = Copied(sentences=SENTENCES, budget=budget)
        return accepts(copier.start(copied, room), ids), len(ids)

    for count in (1, 2, 3):
        for chosen in itertools.permutations(SENTENCES, count):
            text = " ".join(chosen)
            ok, tokens = said(text)
            # "Is it? Is it? No!" can be read as two sentences, one of them twice, or as two different ones
            assert ok == (len(text) <= 70 and tokens < 60), text
    first, second = SENTENCES[0], SENTENCES[2]
    both = f"{first} {second}"
    tokens = said(both)[1]
    assert said(both, len(both), tokens + 1)[0]
    assert not said(both, len(both) - 1)[0] and not said(both, room=tokens)[0]
    for other in (first[:-1], f"{first} {first}", f"{first}  {second}", both + " ", "Zimo.", ""):
        assert not said(other)[0], other


def test_where_nothing_fits_only_the_end_can_be_said():
    copier = make_copier(make_tokenizer())
    for copied, room in ((Copied(sentences=SENTENCES, budget=3), 40), (Copied(sentences=(), budget=99), 40),
                         (Copied(sentences=SENTENCES[:1], budget=99), 5)):  # fmt: skip
        assert copier.start(copied, room).allowed == [END]


def test_a_sentence_that_the_tokenizer_does_not_give_back_cannot_be_said():
    copier = make_copier(make_tokenizer())
    copier.decode = lambda ids: "lost"
    assert copier.start(Copied(sentences=SENTENCES, budget=99), 40).allowed == [END]


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("A. B.", True), ("B. A.", True), ("A. A. B.", True), ("", True), ("A.", True), ("A. ", False),
        ("A.B.", False), ("A. C.", False), ("A", False), (" A.", False), ("A. B. D", True), ("A. B. D. ", False),
    ],
)  # fmt: skip
def test_a_text_is_checked_against_the_sentences(text, ok):
    assert Copied(sentences=("A.", "B.", "B. D"), budget=9).allows(text) == ok


def test_a_text_of_many_alike_sentences_is_checked_in_time():
    copied = Copied(sentences=("a", "a a", "a a a"), budget=9)
    assert copied.allows(" ".join(["a"] * 5000)) and not copied.allows(" ".join(["a"] * 5000) + "b")


# -- samplers ----------------------------------------------------------------------------------------------------

MEMORY = "The pet of Bako is Zimo."
SECTIONS = (
    "The pet of Bako is Rilo. The city of Rilo is Fa.", "The job of Ma is Pa. The city of Ma is Bako. He left.",
)  # fmt: skip


def ask(section, copied=True, max_tokens=24):
    said = f"Memory: {MEMORY}\nText: {section}\nQuestion: What is the city of Ma?\nRemember:"
    sentences = (MEMORY, *(s if s.endswith(".") else s + "." for s in section.split(". ")))
    allowed = Copied(sentences=sentences, budget=56) if copied else None
    messages = ({"role": "user", "content": said},)
    return Ask("update", messages, max_tokens, True, {}, EXAMPLE, allowed)


def make_sampler(kind, folder):
    if kind == "tiny":
        return Tiny(min_p=0.0, seed=0).load()
    if kind == "tiny, cut":
        return Tiny(min_p=0.1, seed=0).load()
    share = kind == "shared"
    sampler = HF(model=save_model(folder, "llama"), share_prompts=share, dtype="float32").load()
    assert sampler.shares == share
    with torch.no_grad():  # larger than they are drawn, so that the choices differ
        for value in sampler.model.parameters():
            value.mul_(3)
    return sampler


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("kind", ["tiny", "tiny, cut", "shared", "padded"])
def test_a_sampler_says_sentences_with_the_log_probs_of_a_masked_softmax(
    tmp_path, kind, temperature
):
    sampler = make_sampler(kind, tmp_path)
    sampler.seed(0)
    asks = [ask(SECTIONS[0]), ask(SECTIONS[1]), ask(SECTIONS[0], copied=False)] * 24
    texts: dict[str, set[str]] = {}
    for asked, done in zip(asks, sampler.complete(asks, temperature), strict=True):
        if asked.copied is None:
            assert done.kept is None or kind == "tiny, cut"
            continue
        texts.setdefault(asked.messages[0]["content"], set()).add(done.text)
        assert done.text and asked.copied.allows(done.text) and len(done.text) <= 56
        assert done.finish_reason == "stop" and len(done.kept) == len(done.completion_ids)
        whole = torch.tensor([list(done.prompt_ids + done.completion_ids)])
        with torch.no_grad():
            logits_CV = sampler.model(whole).logits[0, len(done.prompt_ids) - 1 : -1].double()
        logits_CV /= temperature or 1.0
        by_hand = [
            float(logits[token] - torch.logsumexp(logits[list(kept)], 0))
            for logits, token, kept in zip(logits_CV, done.completion_ids, done.kept, strict=True)
        ]
        assert by_hand == pytest.approx(list(done.logprobs), abs=2e-4)
    assert len(texts) == 2
    assert all(len(said) == 1 if temperature == 0 else len(said) > 1 for said in texts.values())
    assert temperature == 0 or sum(map(len, texts.values())) > 4


@pytest.mark.parametrize("kind", ["tiny, cut", "shared", "padded"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_where_everything_is_allowed_it_says_what_it_says_freely(tmp_path, kind, temperature):
    class Everything:
        ended = False

        def __init__(self, size):
            self.allowed = list(range(size))

        def take(self, token):
            return None

    sampler = make_sampler(kind, tmp_path)
    prompts = [sampler.encode(ask(section).messages) for section in SECTIONS]
    said = []
    for guide in (None, Guide([Everything(len(sampler.tokenizer)), None])):
        sampler.seed(3)
        said.append(sampler.generate(prompts, 12, temperature, guide))
    for free, held in zip(*said, strict=True):
        assert free.ids == held.ids and free.logprobs == pytest.approx(held.logprobs, abs=1e-5)


def test_a_free_text_that_is_made_of_sentences_is_said_by_copying_too():
    """Greedily, by the policy of the shipped run."""
    sampler = Tiny().load(FOLDERS[0] / "policy")
    config = load("memagent-tiny")
    same = 0
    for example in config.task.examples(40, 7, "heldout"):
        memory, section = example.observations
        sentences = tuple(s + "." for s in f"{memory} {section}".removesuffix(".").split(". "))
        said = f"Memory: {sentences[0]}\nText: {section}\nQuestion: {example.question}\nRemember:"
        messages = ({"role": "user", "content": said},)
        shown = Copied(sentences=(sentences[0], *sentences[3:]), budget=64)
        both = [Ask("update", messages, 32, True, {}, example, held) for held in (None, shown)]
        free, copied = sampler.complete(both, 0.0)
        assert shown.allows(copied.text)
        once = all(free.text.count(sentence) < 2 for sentence in shown.sentences)
        if free.text and once and shown.allows(free.text) and len(free.text) <= 64:
            assert free.text == copied.text and free.completion_ids == copied.completion_ids
            same += 1
    assert same >= 10


def test_a_template_that_opens_the_thinking_does_not_hide_what_is_copied(tmp_path):
    (done,) = templated(tmp_path, OPENING).complete([ask(SECTIONS[0])], 0.0)
    assert ask(SECTIONS[0]).copied.allows(done.text)


def test_what_is_copied_is_heard_as_it_is_said(tmp_path):
    sampler, heard = make_sampler("shared", tmp_path), []
    done = sampler.stream(ask(SECTIONS[0]), 0.0, lambda text: heard.append(text) or True)
    assert heard[-1] == done.text and ask(SECTIONS[0]).copied.allows(done.text)


# -- who can be held to it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        (["mode=evaluate", "policy.kind=api"], True), (["mode=evaluate", "policy.kind=scripted"], False),
        (["policy.kind=hf"], False), (['roles={"update": {"kind": "api"}}', "paradigm.trains=answer"], True),
        (['roles={"answer": {"kind": "api"}}', "paradigm.trains=memory"], False),
        (['roles={"update": "start"}', "paradigm.trains=answer"], False),
    ],
)  # fmt: skip
def test_an_endpoint_cannot_be_held_to_copying_and_is_refused_in_one_line(settings, refused):
    overrides = ["paradigm.updater.writes=copied", *settings]
    if not refused:
        assert load("memagent-tiny", overrides).paradigm.updater.copies == {"update"}
        return
    with pytest.raises(
        ConfigError, match="'copied', to which the policy 'api' cannot be held"
    ) as e:
        load("memagent-tiny", overrides)
    assert "\n" not in str(e.value)


@pytest.mark.models
def test_a_published_tokenizer_joins_sentences_as_it_writes_them(fetched):
    sampler = HF(model=fetched("smollm2-135m")).load()
    rng = random.Random(0)
    copied = Copied(sentences=SENTENCES, budget=70)
    end = sampler.tokenizer.eos_token_id
    for _ in range(100):
        cursor, ids = sampler._copier.start(copied, 40), []
        while not cursor.ended:
            ids.append(rng.choice(cursor.allowed))
            cursor.take(ids[-1])
        text = sampler._decode_said(ids[:-1])
        assert copied.allows(text) and ids[:-1] == sampler.encode_completion(text)[:-1]
    assert end in sampler._copier.ends
