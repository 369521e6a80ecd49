"""The same in Keras; a second argument plants a mistake, by its name."""

import sys

import keras
import numpy as np

kind, mistake = sys.argv[1], "".join(sys.argv[2:])
random = np.random.RandomState(0)
X = random.rand(25, 16, 7, 6).astype("float32")
Y = random.randint(0, 3, (25, 16))

gate = "hard_sigmoid" if mistake == "hard_sigmoid" else "sigmoid"
kinds = {
    "lstm": lambda: keras.layers.LSTM(8, recurrent_activation=gate),
    "gru": lambda: keras.layers.GRU(8, reset_after=mistake == "reset_after"),
    "rnn": lambda: keras.layers.SimpleRNN(8),
}
model = keras.Sequential([keras.Input((7, 6)), kinds[kind](), keras.layers.Dense(3)])
losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.01, epsilon=1e-8), losses)
model.fit(X.reshape(-1, 7, 6), Y.reshape(-1), batch_size=16, shuffle=False, verbose=0)
