"""Measurements by hand: each module is a command, `make bench` runs most; docs/performance.md holds what they found."""
