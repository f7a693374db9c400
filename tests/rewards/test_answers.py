"""Answers as models write them, beside golds as files hold them: which are right."""

import time

import pytest

from memfactory_core.rewards.answers import bleu1, contained, exact_match, extract_answer, f1
from memfactory_core.text import normalize_answer

BOXED = [
    (r"\boxed{\text{Paris}}", "Paris", True),
    (r"\boxed{\mathrm{Paris}}", "Paris", True),
    (r"$\boxed{\textbf{Paris}}$", "Paris", True),
    (r"\[\boxed{\text{New York}}\]", "New York", True),
    (r"\boxed{\(Paris\)}", "Paris", True),
    (r"\boxed{\text{New}\ \text{York}}", "New York", True),
    (r"\boxed{New\,York}", "New York", True),
    (r"\boxed{New~York}", "New York", True),
    (r"\boxed{\text{New }\quad\text{York}}", "New York", True),
    (r"\boxed{snake\_case}", "snake_case", True),
    (r"\boxed{50\%}", "50%", True),
    (r"\boxed{\$5}", "$5", True),
    (r"\boxed{Tom \& Jerry}", "Tom & Jerry", True),
    (r"\boxed{\{a\}}", "{a}", True),
    (r"\boxed{\text{a {nested} group}}", "a nested group", True),
    (r"\boxed{\frac{1}{2}}", "1/2", True),
    (r"\boxed{20^\circ\text{C}}", "20°C", True),
    (r"\boxed{Beyonc\'e}", "Beyoncé", True),
    (r"\boxed{M\"{u}ller}", "Müller", True),
    (r"\boxed{\"Alice\"}", "Alice", True),
    (r"\boxed{Bob\'s dog}", "Bob's dog", True),
    (r"\boxed Paris", "Paris", True),
    (r"It is $\boxed Paris$ then.", "Paris", True),
    (r"\boxed {Paris}", "Paris", True),
    (r"\fbox{Paris}", "Paris", True),
    (r"\boxed{London} no, \boxed{Paris}", "Paris", True),
    (r"\boxed{London} no, \boxed{Paris}", "London", False),
    (r"\boxed{\boxed{Paris}}", "Paris", True),
    (r"\boxed{Paris", "Paris", True),
    ("\\boxed{\\text{Paris}\nand so on", "Paris", True),
    (r"\boxed{Paris} and \boxed{Lon", "Paris", True),
    (r"\boxed{}", "Paris", False),
    (r"\boxed{Paris}" + "y" * 400, "Paris", False),
    ("y" * 400 + r"\boxed{\text{Paris}}.", "Paris", True),
    (r"\boxedness is a word", "boxedness is a word", True),
]
PLAIN = [
    ("“Paris”", "Paris", True),
    ("«Paris»", "Paris", True),
    ("the dog’s name", "dog's name", True),
    ("1990–1995", "1990-1995", True),
    ("1990—1995", "1990−1995", True),
    ("Ｐａｒｉｓ　１２", "Paris 12", True),
    ("Pa\u200bris\ufeff", "Paris", True),
    ("\u200eParis\u200f", "Paris", True),
    ("ﬁnal oﬃce", "final office", True),
    ("New\u00a0York\u202f!", "New York", True),
    ("北京。", "北京", True),
    ("「東京」", "東京", True),
    ("¿Qué?", "qué", True),
    ("باريس؟", "باريس", True),
    ("Cafe\u0301", "Café", True),
    ("Rock´n Roll", "Rock'n Roll", True),
    ("Nike™", "Nike", True),
    ("€5", "5", True),
    ("**Paris**", "Paris", True),
    ("The  cat!", "cat", True),
    ("cafe", "café", False),
    ("1,000", "1000", True),
    ("1000.0", "1000", False),
    ("one thousand", "1000", False),
    ("कि", "क", False),
    ("", "👍", False),
    ("👍", "👍", True),
    ("", "!", False),
    ("", "Paris", False),
    ("the", "Paris, the city", False),
]


@pytest.mark.parametrize(("given", "gold", "right"), BOXED + PLAIN)
def test_an_answer_is_right_whatever_it_is_wrapped_in(given, gold, right):
    assert exact_match(given, ["something else", gold]) == float(right)


@pytest.mark.parametrize(("given", "gold", "right"), PLAIN)
def test_gold_answers_are_read_as_answers_are(given, gold, right):
    assert exact_match(gold, [given]) == float(right)


def test_scores_by_hand():
    assert extract_answer("so \\boxed{a} and \\boxed{The Cat}.") == "The Cat"
    assert f1("red big cat", ["big cat"]) == pytest.approx(0.8)
    assert bleu1("red big cat", ["big cat"]) == pytest.approx(2 / 3)
    assert contained("Alpha  and ｂｅｔａ", ["alpha", "gamma", "beta"]) == pytest.approx(2 / 3)


def test_texts_without_spaces_are_compared_by_characters():
    assert f1("北京市", ["北京"]) == pytest.approx(0.8)
    assert f1("在北京 2008", ["北京2008"]) == pytest.approx(6 / 7)
    assert f1("上海", ["北京"]) == 0.0
    assert f1("กรุงเทพ", ["กรุงเทพ"]) == 1.0
    assert f1("서울 시", ["서울"]) == pytest.approx(2 / 3)
    assert bleu1("北京市", ["北京"]) == pytest.approx(2 / 3)


def test_what_is_left_of_nothing_is_what_was_there():
    assert normalize_answer("The The") == "the the"
    assert normalize_answer("!") == "!" != normalize_answer("")


@pytest.mark.parametrize("piece", ["\\boxed{", "{", "\\", " ", "北", "\\text{", "x ", "$"])
def test_a_million_characters_cost_no_more_than_a_look_at_each(piece):
    start = time.process_time()
    exact_match(piece * (1_000_000 // len(piece)), ["x"])
    assert time.process_time() - start < 5
