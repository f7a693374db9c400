"""Cached reads of the database for pages: only the columns that are shown, paged and thinned out in SQL.

The only room of the app that asks the database; nothing here draws."""
