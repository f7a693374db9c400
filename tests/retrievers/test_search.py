"""The policy decides whether it looks into memory, for what, and under which words a memory is found: trained turns,
seen in the trace, paid for, and explained where they failed."""

import pytest

from memfactory_core.config import load
from memfactory_core.dialects.chat import Chat
from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.errors import ConfigError
from memfactory_core.explain.causes import explain
from memfactory_core.explain.moments import needed_at
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.scripted import Scripted
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.rewards import measure
from memfactory_core.stores.lance import Lance
from memfactory_core.stores.ram import Ram
from memfactory_core.trace import Recalled, Wrote, replay
from memfactory_core.training.advantages import to_rows
from memfactory_core.types import Completion, Evidence, Example, Op, Question
from tests.policies.test_policies import save_model

DOG, CITY = "Ann has a dog called Rex.", "Bob moved to Oslo."
ASKED, OTHER = "What is Ann's dog called?", "What is 2 + 2?"
EXAMPLE = Example(
    id="e", observations=(DOG, CITY), question=ASKED, answers=("Rex",),
    evidence=(Evidence(text=DOG, observation=0),),
    others=(Question(question=OTHER, answers=("4",)),),
)  # fmt: skip
PARTS = {
    "retrieval": {}, "memory_r1": {"updater": "append"}, "memagent": {},
    "rmm": {"extractor": "verbatim", "updater": "append"},
}  # fmt: skip


class Saying(Sampler):
    """A chat model that says what a table tells it, by role and question or text."""

    def __init__(self, **said):
        self.said = said

    def dialect_of(self, role):
        return Chat()

    def complete(self, asks, temperature):
        return [Completion(text=self.say(ask)) for ask in asks]

    def say(self, ask):
        said = self.said.get(ask.role, "")
        return said(ask.facts) if callable(said) else said


def searching(kind="retrieval", **settings):
    return Paradigm.model_validate(
        {"kind": kind, "retriever": {"kind": "search"}, **PARTS[kind], **settings}
    )


def look(facts):
    return "name of the dog" if facts["question"] == ASKED else "NONE"


def play(sampler, paradigm=None):
    [episode] = run_episodes(paradigm or searching(), sampler, [EXAMPLE])
    return episode


def outer(episode):
    return {e.query: e for e in episode.events if isinstance(e, Recalled)}


@pytest.mark.parametrize("kind", PARTS)
def test_it_looks_by_its_own_query_or_not_at_all_in_every_paradigm(kind):
    remember = {"update": lambda facts: f"{facts['memory']} {facts['section']}"}
    inner = {"kind": "search", "inner": "everything"} if kind == "memagent" else "search"
    episode = play(
        Saying(search=look, answer="\\boxed{Rex}", **remember), searching(kind, retriever=inner)
    )
    told = outer(episode)
    assert told[ASKED].searched == "name of the dog" and told[OTHER].searched == ""
    assert DOG in " ".join(hit.memory.text for hit in told[ASKED].hits)
    assert told[OTHER].hits == ()
    searches = [turn for turn in episode.turns if turn.role == "search"]
    assert len(searches) == 2 and all(turn.trainable for turn in searches)
    scores = measure(episode)
    assert (scores["needless_look"], scores["missed_look"], scores["found"]) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("said", "needless", "missed"), [("dog", 0.5, 0.0), ("NONE", 0.0, 0.5), ("No search needed.", 0.0, 0.5)]
)  # fmt: skip
def test_a_needless_look_costs_and_a_missed_one_loses(said, needless, missed):
    scores = measure(play(Saying(search=said, answer="x")))
    assert (scores["needless_look"], scores["missed_look"]) == (needless, missed)
    plain = measure(play(Saying(answer="x"), searching(retriever="bm25")))
    assert "needless_look" not in plain and "missed_look" not in plain


def test_a_fact_that_was_not_looked_for_has_a_cause_of_its_own():
    episode = play(Saying(search="NONE", answer="No idea."))
    assert [f.cause for f in explain(episode) if f.evidence] == ["not_looked"]
    ((_, state, seq),) = needed_at(episode, len(episode.events))
    assert (state, seq) == ("not_looked", outer(episode)[ASKED].seq)
    wrong = play(Saying(search="weather", answer="No idea."))
    assert [f.cause for f in explain(wrong) if f.evidence] == ["not_retrieved"]


def test_what_is_no_query_is_rejected_and_blamed():
    episode = play(Saying(search="I'm sorry, but I can't help with that.", answer="No idea."))
    refused = [e for e in episode.events if isinstance(e, Wrote) and e.action == "reject"]
    assert [event.reason for event in refused] == ["no query: a refusal"] * 2
    assert outer(episode)[ASKED].searched is None and outer(episode)[ASKED].hits == ()
    findings = [f for f in explain(episode) if f.evidence]
    assert [(f.cause, f.seq) for f in findings] == [("malformed", refused[0].seq)]


def test_the_scripted_strategies_tell_when_looking_pays():
    means = {}
    for strategy in ("everything", "nothing", "clairvoyant"):
        scores = measure(play(Scripted(strategy=strategy).load()))
        means[strategy] = (scores["needless_look"], scores["missed_look"])
    assert means == {"everything": (0.5, 0.0), "nothing": (0.0, 0.5), "clairvoyant": (0.0, 0.0)}


@pytest.mark.parametrize("store", ["ram", "lance"])
def test_a_memory_is_found_by_the_key_and_read_by_its_text(store):
    keys = {DOG: "Ann's pet", CITY: "residence"}
    sampler = Saying(
        index=lambda facts: f"Key: {keys[facts['text']]}", search="pet", answer="\\boxed{Rex}"
    )
    episode = play(sampler, searching(store=store, updater={"kind": "append", "keys": True}))
    wrote = [e for e in episode.events if isinstance(e, Wrote)]
    assert [(e.after, e.key) for e in wrote] == list(keys.items())
    assert [hit.memory.text for hit in outer(episode)[ASKED].hits] == [DOG]
    assert {m.text: m.key for m in replay(episode.events).values()} == keys
    assert [t.role for t in episode.turns if t.trainable] == ["index"] * 2 + ["search"] * 2 + [
        "answer"
    ] * 2


def test_what_is_no_key_is_rejected_and_the_memory_is_found_by_its_text():
    sampler = Saying(index="As an AI language model, I cannot.", search="dog", answer="x")
    episode = play(sampler, searching(updater={"kind": "append", "keys": True}))
    assert [e.reason for e in episode.events if isinstance(e, Wrote) and e.action == "reject"] == [
        "no key: a refusal"
    ] * 2
    assert [hit.memory.text for hit in outer(episode)[ASKED].hits] == [DOG]


def test_a_decision_of_the_manager_gets_its_key_before_the_next_one():
    sampler = Saying(
        manage=lambda facts: f'{{"op": "ADD", "text": "{facts["fact"]}"}}', index="k", search="k",
        answer="x",
    )  # fmt: skip
    episode = play(sampler, searching("memory_r1", updater={"kind": "crud", "keys": True}))
    assert [t.role for t in episode.turns][:4] == ["manage", "index", "manage", "index"]
    assert [m.key for m in replay(episode.events).values()] == ["k", "k"]


def test_a_kept_table_knows_its_keys_again(tmp_path):
    store = Lance(uri=str(tmp_path / "bank"), table="mine")
    for key, text in (("pet", DOG), ("", CITY)):
        bank = store.open()
        bank.apply(Op(action="add", text=text, key=key), 0, None)
        bank.close()
    bank = store.open()
    assert [(m.text, m.key, m.meta) for m in bank.all()] == [(DOG, "pet", {}), (CITY, "", {})]
    assert [hit.memory.text for hit in bank.search("words", "pet", 5)] == [DOG]
    assert bank.search("words", "Rex", 5) == []
    bank.close()


def test_an_update_without_a_key_takes_the_old_one_away():
    bank = Ram().open()
    bank.apply(Op(action="add", text=DOG, key="pet"), 0, None)
    assert BM25().scores("pet", bank)[0] > 0 == BM25().scores("Rex", bank)[0]
    bank.apply(Op(action="update", memory_id="1", text=CITY), 1, None)
    assert bank.all()[0].searched_text == CITY


@pytest.mark.parametrize(
    ("setting", "role"),
    [
        ("paradigm.retriever=search", "the role 'search'"),
        ("paradigm.updater.keys=true", "the role 'index'"),
        ("paradigm.cites=true", "paradigm.cites"),
    ],
)
def test_the_tiny_policy_is_refused_what_it_never_learned(setting, role):
    with pytest.raises(ConfigError, match=f"'tiny' has never learned what {role} asks for"):
        load("memory-r1-tiny", [setting])


def test_a_language_models_looks_and_keys_are_rows_that_train(tmp_path):
    config = load(
        "rmm-qwen3-lora",
        [f"policy.model={save_model(tmp_path / 'model', 'qwen3')}", "policy.dtype=float32", "roles={}",
         "task.path=none.json", "paradigm.extractor=verbatim", "paradigm.updater.kind=append",
         "paradigm.updater.keys=true", "paradigm.updater.key_tokens=4", "paradigm.retriever.kind=search",
         "paradigm.retriever.max_tokens=4", "paradigm.answer_tokens=4"],
    )  # fmt: skip
    sampler = config.load_policies(None, None)
    [episode] = run_episodes(config.paradigm, sampler, [EXAMPLE])
    rows = to_rows([episode.model_copy(update={"advantage": 1.0})])
    roles = ["index", "index", "search", "search"]
    assert [turn.role for turn, _ in rows] == roles, "trains is 'memory': the answers are not"
    asked = next(turn for turn, _ in rows if turn.role == "search").messages
    assert asked[-1]["content"] == f"Question: {ASKED}\nSearch:"
