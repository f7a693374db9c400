"""One run: its state and tabs (curves, doubts, results, causes, memories, operations, log, recipe), and the list of
all runs.

What is about one episode lives in `episode/`."""
