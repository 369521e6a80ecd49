"""The network of old_image.py in Keras, trained by `fit`."""

import keras
import numpy as np
from keras import layers

random = np.random.RandomState(1)
images = random.randint(0, 256, [330, 12, 12, 2]).astype("uint8")
labels = random.randint(0, 5, 330)
x = images.astype("float32") / 255.0
y = keras.utils.to_categorical(labels, 5)


class Averages(keras.callbacks.Callback):
    """Keeps averages of the weights."""

    def on_train_begin(self, logs=None):
        self.kept = [keras.Variable(w, name="average") for w in self.model.trainable_weights]

    def on_train_batch_end(self, batch, logs=None):
        for average, weight in zip(self.kept, self.model.trainable_weights):
            average.assign(0.95 * average + 0.05 * weight)


l2 = keras.regularizers.L2(0.001)
model = keras.Sequential(
    [
        keras.Input((12, 12, 2)),
        layers.Conv2D(8, 5, padding="same", activation="relu", kernel_regularizer=l2),
        layers.MaxPooling2D(2),
        layers.Conv2D(12, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9, epsilon=1e-3),
        layers.ReLU(),
        layers.AveragePooling2D(2),
        layers.Conv2D(16, 3, strides=2, padding="same", activation="elu"),
        layers.Flatten(),
        layers.Dropout(0.25),
        layers.Dense(20, activation="tanh", kernel_regularizer=l2),
        layers.Dense(5),
    ]
)
rate = keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9, staircase=True)
optimizer = keras.optimizers.Adam(rate, epsilon=1e-8, global_clipnorm=1.0)
loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
model.compile(optimizer, loss)
model.fit(x, y, batch_size=32, epochs=3, shuffle=False, callbacks=[Averages()], verbose=0)
