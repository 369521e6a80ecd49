"""TensorFlow 2 idiom: tf.Module, tf.function, GradientTape."""
