"""The shell's words for what the library does: commands, tables for people and plain values for `--json`.

No rule of the lab is decided here: a command calls the room that knows."""
