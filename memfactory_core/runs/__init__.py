"""Where a run lives: its tables, its process, its folder, its weights, chats beside it, and the runs that come
with the package. The only room that knows the database; nothing here draws or prints tables."""
