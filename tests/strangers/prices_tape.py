"""The network of old_prices.py: layers of Keras and a tape in a tf.function."""

import numpy as np
import tensorflow as tf

random = np.random.RandomState(3)
houses = random.randn(240, 13).astype("float32")
prices = (houses @ random.randn(13, 1) / 4 + 0.1 * random.randn(240, 1)).astype("float32")

first = tf.keras.layers.Dense(16, activation="tanh")
second = tf.keras.layers.Dense(8, activation="tanh")
third = tf.keras.layers.Dense(1)
model = tf.keras.Sequential([tf.keras.Input([13]), first, second, third])
rate = tf.keras.optimizers.schedules.PiecewiseConstantDecay([2, 5], [0.05, 0.02, 0.01])
optimizer = tf.keras.optimizers.SGD(rate)


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        guess = model(x, training=True)
        loss = tf.reduce_mean(tf.square(guess - y))
        loss += 0.01 * (tf.nn.l2_loss(first.kernel) + tf.nn.l2_loss(second.kernel))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))


for i in range(0, 240, 20):
    train_step(houses[i : i + 20], prices[i : i + 20])
