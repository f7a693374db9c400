"""Assemble a run: the form made of the parts' own settings, and the command that repeats it.

No part is known by name here."""
