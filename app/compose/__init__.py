"""Assemble a run: the editor, the forms made of the parts' own settings, and the command that repeats what they say.

No part is known by name here: a new one appears by being registered."""
