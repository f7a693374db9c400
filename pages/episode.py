"""One episode: what was read, written, kept and lost, moment by moment; and what if."""

from app.episode.episode_list import DROPPED, choose_episode, find_group, show_chosen_episode
from app.run.strip import show_strip
from app.shell.listing import browse

browse(
    "Episodes", "episode", DROPPED, 3, choose_episode, show_chosen_episode, find_group, show_strip
)
