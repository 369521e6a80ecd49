"""The variational autoencoder with a tape, without tf.function."""

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

random = np.random.RandomState(2)
images = random.rand(200, 30).astype("float32")

encoder = layers.Dense(16, activation="relu")
dropout = layers.Dropout(0.1)
mean_of, log_variance_of = layers.Dense(4), layers.Dense(4)
decoder, output = layers.Dense(16, activation="relu"), layers.Dense(30)
optimizer = tf.keras.optimizers.Adam(0.001, epsilon=1e-8)


def train_step(x):
    with tf.GradientTape() as tape:
        noisy = x + tf.random.normal(x.shape, stddev=0.1)
        keep = tf.floor(0.9 + tf.random.uniform(x.shape))
        h = dropout(encoder(noisy * keep), training=True)
        mean, log_variance = mean_of(h), log_variance_of(h)
        z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(mean.shape)
        logits = output(decoder(z))
        errors = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
        kl = 1 + log_variance - mean**2 - tf.exp(log_variance)
        loss = tf.reduce_mean(tf.reduce_sum(errors, 1) - 0.5 * tf.reduce_sum(kl, 1))
    parts = [encoder, mean_of, log_variance_of, decoder, output]
    weights = [w for part in parts for w in part.trainable_weights]
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))


for batch in tf.data.Dataset.from_tensor_slices(images).batch(20):
    train_step(batch)
