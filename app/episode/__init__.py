"""One episode and the attempts beside it: moment by moment, token by token, and what if.

What the words mean is decided in memfactory_core/explain; here it is shown."""
