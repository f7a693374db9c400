"""Why? What a trace tells of an episode: what became of needed facts and memories, causes of wrong answers,
replays with one decision undone, doubts about a curve. Plain data in and out; no widget, no markup, no database."""
