"""The training loop as a picture: read, write memory, answer, reward."""

from __future__ import annotations

from memfactory_core.tasks.language import Fact

NEEDED, OTHER = Fact("Bako", "pet", "Zimo"), Fact("Rilo", "city", "Dema")
STEPS = {
    "Read": "A long text, section by section: "
    f'<q>{OTHER.sentence} <mark class="mf-needed">{NEEDED.sentence}</mark></q>',
    "Write memory": "There is room for little. The agent decides what to keep and what to "
    "overwrite.",
    "Answer": f"<q>{NEEDED.question}</q> The answer comes from the memory alone.",
    "Reward": "Several attempts are compared. The better ones become more likely.",
}


def loop_picture() -> str:
    """Four cards with arrows between them, and the way back that GRPO is."""
    arrow = '<div class="mf-arrow" aria-hidden="true">→</div>'
    cards = arrow.join(
        f'<div class="mf-card"><h4><span class="mf-number" aria-hidden="true">{i}</span>{title}</h4>'
        f"<div>{text}</div></div>"
        for i, (title, text) in enumerate(STEPS.items(), 1)
    )
    return (
        f'<div class="mf"><div class="mf-loop">{cards}</div><div class="mf-back"></div>'
        '<div class="mf-learn mf-muted">GRPO repeats the loop: '
        "what earned more is done more often</div></div>"
    )
