"""Stands for `tensorflow.examples`, the tutorials that TensorFlow 1 brought along."""
