"""One run: its curves, results, log, the causes of its wrong answers and its operations, right and done.

What is about one episode lives in `episode/`."""
