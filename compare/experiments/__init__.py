"""Experiments: many runs of the scripts, set side by side in a table and a picture."""
