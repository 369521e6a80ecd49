"""The network of old_words.py: layers of Keras and a tape in a tf.function."""

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

random = np.random.RandomState(1)
lengths = random.randint(2, 8, 400)
words = random.randint(1, 40, [400, 7]) * (np.arange(7) < lengths[:, None])
labels = random.randint(0, 3, 400)
weights = random.choice([0.5, 1.0, 2.0], 400)

embedding = layers.Embedding(40, 10)
lstm = layers.LSTM(10)
hidden = layers.Dense(12, activation="sigmoid")
output = layers.Dense(3)
optimizer = tf.keras.optimizers.SGD(0.5)


def network(x, n):
    mask = tf.sequence_mask(n, 7)
    embedded = embedding(x)
    kept = tf.cast(mask, tf.float32)[:, :, None]
    center = tf.reduce_sum(embedded * kept, 1) / tf.reduce_sum(kept, 1)
    state = lstm(embedded, mask=mask)
    distance = tf.abs(state - center)
    features = tf.concat([state, distance], 1)
    return output(hidden(features))


@tf.function
def train_step(x, n, y, w):
    with tf.GradientTape() as tape:
        logits = network(x, n)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        loss = tf.reduce_mean(losses * w)
    variables = [v for layer in (embedding, lstm, hidden, output) for v in layer.trainable_weights]
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables))


for i in range(0, 400, 16):
    batch = slice(i, i + 16)
    w = weights[batch].astype("float32")
    train_step(words[batch], lengths[batch], labels[batch], w)
