"""How a policy is spoken to and read: how memories are quoted in a prompt, how an operation is written, and how
what it says becomes an operation. What is asked, and when, belongs to updaters, retrievers and paradigms."""
