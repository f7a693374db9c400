"""How the tables came to be what they are, a step a file (alembic): `versions/r0001_...` first. A step that was ever on
the main branch is never changed; a change of `tables.py` is a new step with the next number, and a test asks for it."""
