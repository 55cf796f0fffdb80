"""The tables: one module for each, its SQL and row type on one screen."""
