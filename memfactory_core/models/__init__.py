"""Published models: which are known, where they lie on this machine, how they are fetched, what a name in a setting
stands for. Nothing here knows a policy or an embedder, and nothing is fetched that nobody asked for."""
