"""Lessons of ten minutes each: predict, look, change, check. One file for each lesson; `course.py` holds the steps that
all share, `lessons.py` their order.

What is right is computed when it is asked, by the library itself; no lesson holds an answer."""
