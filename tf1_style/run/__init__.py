"""Runs old TensorFlow 1 programs, unchanged, on today's TensorFlow: `python -m tf1_style.run`."""
