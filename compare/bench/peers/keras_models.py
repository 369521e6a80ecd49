"""The project's models in Keras's own layers, and the losses that they are trained with.

A model maps inputs by name, [n, ...] each, to one output or to outputs by name.
"""

import keras
from keras import layers

CONVOLUTIONS = (128, 256, 256, 256, 256)  # of posts_profile


def mnist_softmax():
    return keras.Sequential([keras.Input([784]), layers.Dense(10)])


mnist_pipeline = mnist_softmax


def mnist_naive():
    dense = [layers.Dense(512, activation="relu"), layers.Dense(10)]
    return keras.Sequential([keras.Input([784]), *dense])


def mnist_mlp():
    dense = [layers.Dense(200, activation="relu"), layers.Dense(60, activation="relu")]
    return keras.Sequential([keras.Input([784]), *dense, layers.Dense(10)])


def mnist_deep():
    return keras.Sequential(
        [
            keras.Input([784]),
            layers.Reshape([28, 28, 1]),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )


def mnist_convnet():
    return keras.Sequential(
        [
            keras.Input([784]),
            layers.Reshape([28, 28, 1]),
            layers.Conv2D(12, 3, padding="same", activation="relu"),
            layers.Conv2D(24, 6, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 6, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(200, activation="relu"),
            layers.Dense(10),
        ]
    )


def mnist_separable():
    convolutions = []
    for k, channels in enumerate((32, 64, 64, 128, 64, 128), start=1):
        convolutions.append(layers.SeparableConv2D(channels, 3, padding="same", activation="relu"))
        convolutions += [layers.MaxPooling2D()] if k in (2, 4) else []
    dense = [layers.GlobalAveragePooling2D(), layers.Dense(32, activation="relu")]
    reshape = layers.Reshape([28, 28, 1])
    return keras.Sequential([keras.Input([784]), reshape, *convolutions, *dense, layers.Dense(10)])


def mnist_inception():
    def conv(channels, size, h, strides=1, activation="relu"):
        layer = layers.Conv2D(
            channels, size, strides=strides, padding="same", activation=activation
        )
        return layer(h)

    images = keras.Input([784], name="images")
    x = layers.Reshape([28, 28, 1])(images)
    pooled = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    branches = [
        conv(16, 1, x, 2),
        conv(16, 3, conv(16, 1, x), 2),
        conv(16, 3, pooled),
        conv(16, 3, conv(16, 3, conv(16, 1, x)), 2),
    ]
    h = layers.Concatenate()(branches)
    h = layers.Add()([conv(64, 3, conv(64, 3, conv(64, 3, h))), h])
    y = layers.MaxPooling2D()(conv(64, 3, conv(64, 3, h)))
    y = layers.Add()([y, conv(64, 1, h, 2, None)])
    return keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(y)))


class Gan(keras.Model):
    """Both sides of mnist_gan; `fit` updates the discriminator, then the generator."""

    def __init__(self):
        super().__init__()
        hidden = layers.Dense(128, activation="relu")
        self.discriminator = keras.Sequential([keras.Input([784]), hidden, layers.Dense(1)])
        hidden = layers.Dense(128, activation="relu")
        pictures = layers.Dense(784, activation="sigmoid")
        self.generator = keras.Sequential([keras.Input([100]), hidden, pictures])
        self.optimizers = [keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3)]
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def call(self, images):
        return self.discriminator(images)

    def train_step(self, data):
        import tensorflow as tf

        images = keras.tree.flatten(data)[0]
        noise = tf.random.normal([tf.shape(images)[0], 100])
        losses = []
        for side, optimizer in zip((self.discriminator, self.generator), self.optimizers):
            with tf.GradientTape() as tape:
                real, fake = self(images), self(self.generator(noise))
                if side is self.discriminator:
                    loss = self.cross_entropy(tf.ones_like(real), real)
                    loss += self.cross_entropy(tf.zeros_like(fake), fake)
                else:
                    loss = self.cross_entropy(tf.ones_like(fake), fake)
            weights = side.trainable_variables
            optimizer.apply(tape.gradient(loss, weights), weights)
            losses.append(loss)
        return {"loss": losses[0]}


mnist_gan = Gan


def same_digit():
    lstm = layers.LSTM(32)
    inputs = [keras.Input([784], name=name) for name in ("first", "second")]
    states = [lstm(layers.Reshape([28, 28])(image)) for image in inputs]
    return keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(states)))


def stories_qa():
    inputs = [keras.Input([None], dtype="int32", name=name) for name in ("story", "question")]
    story = layers.LSTM(32)(layers.Embedding(10000, 64)(inputs[0]))
    question = layers.LSTM(16)(layers.Embedding(10000, 32)(inputs[1]))
    return keras.Model(inputs, layers.Dense(500)(layers.Concatenate()([story, question])))


def reviews_conv1d():
    return keras.Sequential(
        [
            keras.Input([None], dtype="int32"),
            layers.Embedding(2000, 128),
            layers.Dropout(0.75),
            layers.Conv1D(32, 7, activation="relu"),
            layers.MaxPooling1D(5),
            layers.Conv1D(32, 7, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )


def posts_profile():
    words = keras.Input([300], dtype="int32", name="words")
    h = layers.Embedding(50000, 256)(words)
    for k, channels in enumerate(CONVOLUTIONS, start=1):
        h = layers.Conv1D(channels, 5, activation="relu")(h)
        h = layers.MaxPooling1D(5)(h) if k in (1, 3) else h
    h = layers.Dense(128, activation="relu")(layers.GlobalAveragePooling1D()(h))
    heads = {"age": 1, "income": 10, "gender": 1}
    return keras.Model(words, {name: layers.Dense(units)(h) for name, units in heads.items()})


def stereo_xception():
    xception = keras.applications.Xception(
        include_top=False, weights=None, input_shape=(71, 71, 3), pooling="avg"
    )
    inputs = [keras.Input([71, 71, 3], name=name) for name in ("left", "right")]
    states = [xception(picture) for picture in inputs]
    return keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(states)))


def losses():
    """Returns the loss of each target by its name, and its weight."""
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    binary = keras.losses.BinaryCrossentropy(from_logits=True)
    squares = keras.losses.MeanSquaredError()
    return {
        "labels": (classes, 1),
        "answer": (classes, 1),
        "positive": (binary, 1),
        "same": (binary, 1),
        "disparity": (squares, 1),
        "age": (squares, 0.25),
        "income": (classes, 1),
        "gender": (binary, 10),
    }
