"""An agent put together: what a swap of a part keeps, which parts fit a recipe and why others do not, the command
that repeats a form, one episode played for a look. Works on plain values; whether they are right says `config` alone.
No run, no database."""
