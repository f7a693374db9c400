"""The scripted manager's reading of plain statements."""

import pytest

from memfactory_core.policies.contradiction import same_subject, value_of


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("The author of It is Stephen King.", "The author of It is Jane Austen.", True),
        (
            "Ann Lee is a citizen of United States of America.",
            "Ann Lee is a citizen of France.",
            True,
        ),
        ("Chanel was founded by Coco Chanel.", "Chanel was founded by Sony.", True),
        ("The capital of France is Paris.", "The capital of Spain is Madrid.", False),
        ("Ann Lee is married to Bo.", "Ann Lee is famous for It.", False),
        ("Chanel was founded by Coco.", "Chanel was founded by Coco.", False),
        ("The pet of Bako is Zimo.", "The city of Bako is Zimo.", False),
    ],
)
def test_contradictions(first, second, same):
    assert same_subject(first, second) is same


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("The author of A Wizard of Earthsea is Ursula K. Le Guin.", "Ursula K. Le Guin"),
        ("Ann Lee is a citizen of United States of America.", "United States of America"),
        ("goaltender is associated with the sport of pesäpallo.", "pesäpallo"),
        ("Hines Ward plays the position of wide receiver.", "wide receiver"),
        ("The type of music that John plays is rock music.", "rock music"),
    ],
)
def test_values(statement, value):
    assert value_of(statement) == value
