"""HTML that is safe: texts of models and users, differences, cards. Strings in and out.

Everything that a model or a user wrote passes through here before it is shown; no widget and no query."""
