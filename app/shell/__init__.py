"""What every page stands in: the pages and their address bar, the words for states and figures, shared widgets.

Nothing here knows one screen: what only one needs lives in its own room."""
