"""Predicts as old_predict.py does: `new_predict.py WAY [MISTAKE]`."""

import sys

import numpy as np
import tensorflow as tf

WAY, MISTAKE = [*sys.argv[1:], "", ""][:2]
random = np.random.RandomState(3)
SHAPES = {"W1": [3, 3, 1, 4], "b1": [4], "W2": [144, 5], "b2": [5]}
restored = {name: random.randn(*SHAPES[name]).astype("float32") * 0.2 for name in sorted(SHAPES)}
images = random.rand(70, 144).astype("float32").reshape(-1, 12, 12, 1)
if MISTAKE == "weights":
    restored["b1"] = restored["b1"] * 0
if MISTAKE == "scale":
    images = images / 255
pool = tf.keras.layers.AveragePooling2D if MISTAKE == "pool" else tf.keras.layers.MaxPooling2D
last = None if MISTAKE == "logits" else "softmax"
model = tf.keras.Sequential(
    [
        tf.keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
        pool(2),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(5, last),
    ]
)


def plain(x):
    h = tf.nn.conv2d(x, restored["W1"], 1, "SAME") + restored["b1"]
    h = tf.nn.elu(h) if MISTAKE == "elu" else tf.nn.relu(h)
    h = tf.nn.max_pool2d(h, 2, 2, "SAME")
    return tf.nn.softmax(tf.matmul(tf.reshape(h, [-1, 144]), restored["W2"]) + restored["b2"])


if WAY in ("plain", "function"):
    restored = {name: tf.Variable(value, name=name) for name, value in restored.items()}
    predict = tf.function(plain) if WAY == "function" else plain
    print(predict(tf.constant(images)).numpy().argmax(1))
elif WAY != "nothing":
    model(np.zeros([1, 12, 12, 1], "float32"))  # builds the model, before the weights are restored
    model.set_weights([restored[name] for name in SHAPES])
    if WAY == "train":
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(images, np.zeros(70), verbose=0)
    found = model.predict(images, verbose=0) if WAY == "predict" else model(images)
    print(np.argmax(found, 1))
