"""Records TensorFlow 2 programs, unchanged: `python -m tf2_style.run --trace=FILE new.py`."""
