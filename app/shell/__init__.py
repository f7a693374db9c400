"""What every page stands in: the pages and their address bar, the place in a run, words for figures and states,
lists and shared widgets.

Nothing here knows one screen: what only one needs lives in its own room."""
