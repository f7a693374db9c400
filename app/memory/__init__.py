"""Any bank, of an episode, a chat or pasted lines: its entries, what a retriever finds in it and why, one entry's life.

Nothing here writes a bank; what a retriever finds is worked out in memfactory_core."""
