"""A talk with an agent: messages that it reads or answers, and one bank over all of them, which the user may change
by hand. All of it is one trace.

No page and no database here: who talks (a browser, a terminal) shows the entries and keeps the trace."""
