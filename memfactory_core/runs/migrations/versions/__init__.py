"""The steps, in the order of their numbers. Each knows only its own past: no step uses `tables.py`."""
