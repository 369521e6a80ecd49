"""The same network in Keras. An argument of the program plants a mistake, by its name."""

import sys

import keras
import numpy as np

MISTAKE = sys.argv[1] if len(sys.argv) > 1 else ""


def changed(right, **mistakes):
    """Returns what is right, or what the planted mistake has in its place."""
    return mistakes.get(MISTAKE, right)


random = np.random.RandomState(1)
X = random.rand(30, 32, 12, 12, 1).astype("float32")
Y = random.randint(0, 5, (30, 32))
if MISTAKE == "order":
    swapped = np.random.RandomState(5).permutation(32)
    X, Y = X[:, swapped], Y[:, swapped]
X = changed(X, scale=X * np.float32(255), center=X * 2 - 1, examples=X[::-1].copy())
Y = changed(Y, labels=(Y + 1) % 5)

layers = keras.layers
l2 = changed(keras.regularizers.L2(0.001), l2_missing=None, l2_double=keras.regularizers.L2(0.002))
bias_l2 = changed(None, l2_bias=keras.regularizers.L2(0.05))
normalization = {
    "momentum": changed(0.9, bn_momentum=0.99, bn_momentum_a_little=0.91),
    "epsilon": changed(1e-3, bn_epsilon=1e-5),
    "center": changed(True, bn_center=False),
}


def network():
    stack = [
        keras.Input((12, 12, 1)),
        layers.Conv2D(
            8,
            3,
            padding=changed("same", padding="valid"),
            strides=1,
            activation=changed("relu", tanh="tanh", leaky=keras.activations.leaky_relu),
            kernel_regularizer=l2,
            bias_regularizer=bias_l2,
        ),
        changed(layers.MaxPooling2D(2), average_pool=layers.AveragePooling2D(2)),
        layers.Conv2D(12, 3, padding="same", use_bias=False, trainable=changed(True, frozen=False)),
        layers.BatchNormalization(**normalization),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(20, "relu", kernel_regularizer=l2),
        layers.Dropout(changed(0.25, dropout=0.75, dropout_a_little=0.26)),
        layers.Dense(5, changed(None, double_softmax="softmax")),
    ]
    if MISTAKE == "relu_before_bn":
        stack[4], stack[5] = stack[5], stack[4]
    if MISTAKE == "transpose":
        stack.insert(7, layers.Permute((2, 1, 3)))
    if MISTAKE == "no_dropout":
        del stack[9]
    return keras.Sequential(stack)


def optimizer():
    decay = keras.optimizers.schedules.ExponentialDecay
    rate = changed(
        decay(0.01, 5, 0.9, staircase=True),
        rate=0.001,
        rate_a_little=decay(0.0101, 5, 0.9, staircase=True),
        no_schedule=0.01,
        no_staircase=decay(0.01, 5, 0.9),
        schedule_late=decay(0.01, 6, 0.9, staircase=True),
    )
    clip = changed(
        {"global_clipnorm": 1.0},
        no_clip={},
        clipnorm={"clipnorm": 1.0},
        clipvalue={"clipvalue": 0.05},
        clip_a_little={"global_clipnorm": 1.05},
    )
    if MISTAKE == "sgd":
        return keras.optimizers.SGD(rate, **clip)
    kind = changed(
        keras.optimizers.Adam, rmsprop=keras.optimizers.RMSprop, nadam=keras.optimizers.Nadam
    )
    more = changed(
        {},
        beta1={"beta_1": 0.8},
        beta2={"beta_2": 0.99},
        amsgrad={"amsgrad": True},
        decay={"weight_decay": 0.001},
    )
    return kind(rate, epsilon=changed(1e-8, adam_epsilon=1e-7), **clip, **more)


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=MISTAKE != "from_logits",
        reduction=changed("sum_over_batch_size", sum="sum"),
    )
