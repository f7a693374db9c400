"""The groups of one step: the attempts at each example side by side."""

from app.episode.group_list import DROPPED, choose_group, show_chosen_group
from app.run.strip import show_strip
from app.shell.listing import browse

browse("Groups", "group", DROPPED, 2.7, choose_group, show_chosen_group, show_strip=show_strip)
