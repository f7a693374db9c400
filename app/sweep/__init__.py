"""The room of sweeps: one recipe with every combination of two parts or settings, begun at once, as a matrix whose
cells are doors.

Which combinations are legal is the core's business (`runs/sweeps.py`)."""
