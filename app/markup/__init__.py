"""HTML that is safe, strings in and strings out: `safe_text` makes texts harmless, the other files are one kind of
card each.

Everything that a model or a user wrote passes through here before it is shown; no widget and no query."""
