"""The network of old_prices.py in Keras, trained by `fit`."""

import keras
import numpy as np
from keras import layers

random = np.random.RandomState(3)
houses = random.randn(240, 13).astype("float32")
prices = (houses @ random.randn(13, 1) / 4 + 0.1 * random.randn(240, 1)).astype("float32")

model = keras.Sequential(
    [
        keras.Input([13]),
        layers.Dense(16, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.005)),
        layers.Dense(8, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.005)),
        layers.Dense(1),
    ]
)
rate = keras.optimizers.schedules.PiecewiseConstantDecay([2, 5], [0.05, 0.02, 0.01])
optimizer = keras.optimizers.SGD(rate)
model.compile(optimizer, "mse")
model.fit(houses, prices, batch_size=20, shuffle=False, verbose=0)
