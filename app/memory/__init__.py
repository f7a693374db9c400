"""Any bank: its entries, what a retriever finds in it and why, and the life of one entry."""
