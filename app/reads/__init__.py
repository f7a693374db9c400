"""Reads of the database for pages: one file for each thing read, only the columns that are shown, paged and thinned
out in SQL; `engine` opens the database.

The only room of the app that asks the database; nothing here draws or changes a row."""
