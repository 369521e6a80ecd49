"""The network of old_words.py in Keras, trained by `fit`."""

import keras
import numpy as np
from keras import layers

random = np.random.RandomState(1)
lengths = random.randint(2, 8, 400)
words = random.randint(1, 40, [400, 7]) * (np.arange(7) < lengths[:, None])
labels = random.randint(0, 3, 400)
weights = random.choice([0.5, 1.0, 2.0], 400)

inputs = keras.Input([7], dtype="int32")
embedded = layers.Embedding(40, 10, mask_zero=True)(inputs)
center = layers.GlobalAveragePooling1D()(embedded)
state = layers.LSTM(10)(embedded)
distance = keras.ops.abs(state - center)
features = layers.Concatenate()([state, distance])
hidden = layers.Dense(12, activation="sigmoid")(features)
logits = layers.Dense(3)(hidden)
model = keras.Model(inputs, logits)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.SGD(0.5), loss)
model.fit(words, labels, sample_weight=weights, batch_size=16, shuffle=False, verbose=0)
