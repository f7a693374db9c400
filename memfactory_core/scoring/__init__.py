"""Is it right? Evaluation of a policy, of retrievers without one, paired comparisons, which examples are held out.

What a single measure is belongs to `rewards/`; nothing here knows a database, and nothing here trains."""
