"""Experiments: many runs of the programs, compared in a table and a picture."""
