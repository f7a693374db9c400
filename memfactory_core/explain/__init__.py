"""Why? What a trace tells of an episode: what became of needed facts and memories, causes of wrong answers, what nobody
has stated, replays with one decision undone; the doubts about a curve and the diagnosis of a run. Plain data in and
out; no widget, no markup, no database."""
