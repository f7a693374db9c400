"""Who may reach the lab: the names it answers to, the password of a lab that others can reach, and the sessions
of those who gave it. One middleware (gate.py) stands in front of pages, websockets, chat, API and uploads.

Nothing here knows a page or a run."""
