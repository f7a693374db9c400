"""A talk without a page: messages, one bank, changes by hand, what lasts."""
