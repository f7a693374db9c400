"""One episode and the attempts beside it: story, moment by moment, token by token, what if; the lists of a step's
groups and episodes.

What the words mean is decided in memfactory_core/explain; here it is shown."""
