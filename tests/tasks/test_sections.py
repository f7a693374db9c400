"""Texts cut into sections and sentences."""

from __future__ import annotations

from memfactory_core.tasks.sections import cut, pack
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import words


def test_sections_lose_nothing_and_keep_to_their_size():
    text = "\n\n".join(f"Paragraph {n}: " + "word " * (n * 7) for n in range(12))
    for size in (20, 60, 250, 10_000):
        parts = cut(text, size)
        assert all(len(part) <= size for part in parts)
        assert words(" ".join(parts)) == words(text)
    assert cut("x" * 50, 20) == ["x" * 20, "x" * 20, "x" * 10]
    assert cut("", 20) == [] and cut(" \n ", 20) == []
    assert pack(["aa", "bb", "cc"], 5) == ["aa\nbb", "cc"]


def test_sentences_end_where_people_end_them():
    for text in (
        "He moved to St. Louis in 1901.",
        "Henry J. Kaiser and K. A. Applegate met Dr. Robotnik.",
        "Edward Wood Jr. (1924) worked for Apple Inc. for the U.S. Army.",
        "It weighs approx. five pounds (est. 2.3 kg).",
        "12. The capital of France is Paris.",
        "Opus No. 5 is on Yahoo! now.",
    ):
        assert split_sentences(text) == [text]
    assert split_sentences('He said "no." Then he left! Why? Nobody knows') == [
        'He said "no."', "Then he left!", "Why?", "Nobody knows",
    ]  # fmt: skip
    assert split_sentences("my dog is rex. my cat is tom.\nline") == [
        "my dog is rex.",
        "my cat is tom.",
        "line",
    ]
    assert split_sentences("The pet of Bako is Zimo. Bako met Rilo.") == [
        "The pet of Bako is Zimo.",
        "Bako met Rilo.",
    ]
    assert split_sentences("It began in World War I. He died in 1918. ") == [
        "It began in World War I.", "He died in 1918.",
    ]  # fmt: skip
