"""The room in which runs are measured: agents and tasks chosen, evaluations begun, their scores in one table, the wrong
answers behind it.

How to measure is the core's business (`runs/evaluations.py`); nothing is computed here."""
