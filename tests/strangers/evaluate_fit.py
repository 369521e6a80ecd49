"""The network of old_evaluate.py in Keras, trained by `fit` and evaluated by `evaluate`."""

import keras
import numpy as np
from keras import layers

random = np.random.RandomState(1)
images = random.randint(0, 256, [12, 32, 12, 12, 1]).astype("uint8")
labels = random.randint(0, 5, [12, 32])
test_images = random.randint(0, 256, [70, 12, 12, 1]).astype("uint8")
test_labels = random.randint(0, 5, 70)

x_train = images.reshape(-1, 12, 12, 1).astype("float32") / 255.0
x_test = test_images.astype("float32") / 255.0
model = keras.Sequential(
    [
        keras.Input((12, 12, 1)),
        layers.Conv2D(8, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(20, "relu"),
        layers.Dropout(0.25),
        layers.Dense(5),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
model.fit(x_train, labels.reshape(-1), batch_size=32, shuffle=False, verbose=0)
print("test accuracy", model.evaluate(x_test, test_labels, verbose=0)[1])
