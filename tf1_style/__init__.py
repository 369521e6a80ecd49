"""TensorFlow 1 idiom: runs unchanged on TensorFlow 1.15.5 and on today's tf.compat.v1."""
