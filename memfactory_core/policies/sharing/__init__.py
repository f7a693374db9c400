"""What prompts have in common is computed once: rows packed into one sequence, attention over it, decoding from it; and
transformers' own generation for models that cannot, or by its continuous batching where that is wanted.

A room of its own, for its files load torch and a list of policies must not."""
