"""The room in which runs are laid side by side: curves, paired differences, flipped examples, causes, settings, cost.

What differs and how surely is the core's business (`runs/comparison.py`)."""
