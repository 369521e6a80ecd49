"""The variational autoencoder in Keras, trained by `fit`."""

import keras
import numpy as np
from keras import layers, ops

random = np.random.RandomState(2)
images = random.rand(200, 30).astype("float32")


class Sampling(layers.Layer):
    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, inputs):
        mean, log_variance = inputs
        epsilon = keras.random.normal(ops.shape(mean), seed=self.seeds)
        kl = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
        self.add_loss(ops.mean(-0.5 * ops.sum(kl, 1)))
        return mean + ops.exp(0.5 * log_variance) * epsilon


inputs = keras.Input([30])
h = layers.GaussianNoise(0.1)(inputs)
h = layers.Lambda(lambda h: h * ops.floor(0.9 + keras.random.uniform(ops.shape(h), seed=3)))(h)
h = layers.Dense(16, activation="relu")(h)
h = layers.Dropout(0.1)(h)
z = Sampling()([layers.Dense(4)(h), layers.Dense(4)(h)])
h = layers.Dense(16, activation="relu")(z)
logits = layers.Dense(30)(h)
model = keras.Model(inputs, logits)


def loss(y, logits):
    return ops.sum(ops.binary_crossentropy(y, logits, from_logits=True), 1)


model.compile(keras.optimizers.Adam(0.001, epsilon=1e-8), loss)
model.fit(images, images, batch_size=20, shuffle=False, verbose=0)
