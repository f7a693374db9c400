"""What if: one decision of a recorded episode is undone, edited or replaced, and the rest is played again with
the same policy. The recorded episode is never changed.

Up to the chosen event the episode is played from the record: the policy's own words are given back to the
parts, so that the memory is the recorded one. From there on the policy is asked anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memfactory_core.episode import Context, Sampler, Steps, run_episodes
from memfactory_core.errors import RunError
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.replaying import Replaying
from memfactory_core.rewards import Weights, score_all
from memfactory_core.scoring.intervals import interval
from memfactory_core.trace import Asked, Episode, Wrote
from memfactory_core.types import Completion, Example, Record


class Change(Record):
    """What is done differently: the turn number `turn` says `text` instead of what it said. None for `text`
    asks the policy again from there on. The write with the event number `undo` is not carried out: the memory
    stays as it was (empty where nothing was written yet), and nothing is rejected or paid for."""

    turn: int
    text: str | None = None
    undo: int | None = None


class Outcome(Record):
    """The rewards of k replays beside the recorded one, with the 95% interval of their mean; one replay has
    none."""

    before: float
    after: float
    low: float | None
    high: float | None
    samples: int
    exact_match_before: float
    exact_match_after: float
    episodes: tuple[Episode, ...]


HELPS: dict[str, tuple[str, ...]] = {
    "overwritten": ("add", "undo"), "merged_away": ("undo",), "deleted": ("undo",),
    "not_written": ("add", "edit"), "never_extracted": ("edit",), "stale": ("update", "edit"),
    "altered": ("edit",), "invented": ("undo",), "malformed": ("again",), "no_room": ("again",),
    "not_looked": ("reading",), "not_retrieved": ("reading",), "not_used": ("reading",),
    "reader_error": ("reading",),
}  # fmt: skip
"""What is most likely to help where a cause was found, best first: an operation to be said instead, the write undone,
other words, the same question asked again, or another reading. The first that can be done is where a what-if begins."""


def turn_of(episode: Episode, seq: int) -> int:
    """The turn whose words led to the write with this number. RunError where no turn did (an untrained part
    wrote it)."""
    asked = [
        event.index for event in episode.events if isinstance(event, Asked) and event.seq < seq
    ]
    event = episode.events[seq] if 0 <= seq < len(episode.events) else None
    if not isinstance(event, Wrote) or not asked:
        raise RunError(f"event {seq} is not a write that the policy asked for; choose a write")
    return asked[-1]


def undo(episode: Episode, seq: int) -> Change:
    """The change that undoes one write: the policy says what it said, and it is not carried out."""
    turn = turn_of(episode, seq)
    return Change(turn=turn, text=episode.turns[turn].completion.text, undo=seq)


@dataclass(frozen=True)
class Undoing:
    """A paradigm in which the write with one event number is not carried out."""

    paradigm: Paradigm
    seq: int

    def start(self, example: Example) -> Context:
        """A context with an empty bank that leaves out the write."""
        context = self.paradigm.start(example)
        context.undone = self.seq
        return context

    def play(self, context: Context) -> Steps:
        """The paradigm's own course."""
        return self.paradigm.play(context)


def _words_until(episode: Episode, change: Change) -> list[Completion]:
    """What is said before the policy is asked anew: the recorded turns, and the changed one where it has words."""
    words = [turn.completion for turn in episode.turns[: change.turn]]
    if change.text is None:
        return words
    recorded = [turn.completion for turn in episode.turns[change.turn : change.turn + 1]]
    same = [said for said in recorded if said.text == change.text]
    return [*words, *(same or [Completion(text=change.text)])]


def play_again(
    episode: Episode,
    paradigm: Paradigm,
    policy: Sampler,
    change: Change,
    weights: Weights,
    samples: int = 8,
    temperature: float = 1.0,
) -> Outcome:
    """Plays the episode `samples` times with the change and compares the rewards. The paradigm may differ
    from the recorded one, for instance by its retriever; what was recorded before the change is then
    repeated all the same. RunError where the episode has no such turn."""
    if not 0 <= change.turn <= len(episode.turns):
        raise RunError(
            f"episode {episode.id} has {len(episode.turns)} turns, there is no {change.turn}"
        )
    copies = [
        episode.example.model_copy(update={"id": f"{episode.example.id}~{number}"})
        for number in range(samples)
    ]
    runnable = paradigm if change.undo is None else Undoing(paradigm, change.undo)
    words = _words_until(episode, change)
    again = Replaying(policy, {copy.id: words for copy in copies})
    played = run_episodes(runnable, again, copies, temperature)
    judge = getattr(policy, "judge", None)  # of a run whose `roles` name one
    scored = score_all(judge.judge(played) if judge else played, weights)
    rewards: dict[str, Any] = interval([one.reward for one in scored])
    return Outcome(
        before=episode.reward, after=rewards["mean"], low=rewards["low"], high=rewards["high"],
        samples=samples, exact_match_before=episode.scores.get("exact_match", 0.0),
        exact_match_after=sum(one.scores["exact_match"] for one in scored) / len(scored),
        episodes=tuple(scored),
    )  # fmt: skip
