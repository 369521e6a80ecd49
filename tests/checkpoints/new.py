"""The Keras programs that are to go on with what old.py saved.

python new.py FOLDER start KIND...    saves each program at its start
python new.py FOLDER run KIND...      restores, trains 20 steps, saves, and trains 20 more
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras import layers, optimizers

folder, action, kinds = sys.argv[1], sys.argv[2], sys.argv[3:]
data = np.load(os.path.join(folder, "data.npz"))
X, Y = data["X"], data["Y"]
CONVOLUTION = {"padding": "same", "use_bias": False}


class Rows(layers.Layer):
    def call(self, x):
        return tf.cast(tf.abs(x[:, :, 0]) * 3, tf.int32) % 7


LAYERS = {
    "layers": lambda: [
        layers.Reshape([6, 4, 1]),
        *[layers.Conv2D(3, 3, **CONVOLUTION), layers.BatchNormalization(), layers.ReLU()],
        *[layers.Conv2D(3, 3, **CONVOLUTION), layers.BatchNormalization(), layers.ReLU()],
        *[layers.Flatten(), layers.Dense(5, "tanh"), layers.Dense(2)],
    ],
    "lstm": lambda: [layers.LSTM(5), layers.Dense(2)],
    "stacked": lambda: [layers.RNN([layers.LSTMCell(4), layers.LSTMCell(4)]), layers.Dense(2)],
    "embedding": lambda: [Rows(), layers.Embedding(7, 3), layers.Flatten(), layers.Dense(2)],
    "gru": lambda: [layers.GRU(5, reset_after=False), layers.Dense(2)],
    "reset_after": lambda: [layers.GRU(5), layers.Dense(2)],
}


class Momentum(optimizers.Optimizer):  # TensorFlow 1's rule, as in the guide
    def build(self, variables):
        super().build(variables)
        self.accumulations = [self.add_variable_from_reference(v, "momentum") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        accumulation = self.accumulations[self._get_variable_index(variable)]
        self.assign(accumulation, 0.9 * accumulation + gradient)
        self.assign_sub(variable, learning_rate * accumulation)


class AnotherList(Momentum):
    def build(self, variables):
        super().build(variables)
        self.held, self.accumulations = self.accumulations, []


OPTIMIZERS = {
    "own_momentum": lambda: Momentum(0.05),
    "own_list": lambda: AnotherList(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "lstm": lambda: optimizers.RMSprop(0.01, momentum=0.5, epsilon=1e-10),
    "centered": lambda: optimizers.RMSprop(0.01, momentum=0.5, epsilon=1e-10, centered=True),
    "ema": lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
    "estimator": lambda: optimizers.Adagrad(0.1, epsilon=0.0),
    "embedding": lambda: optimizers.Adam(0.01, beta_1=0.8, epsilon=1e-8),
}


def two_layers():
    return [layers.Flatten(), layers.Dense(5, "tanh"), layers.Dense(2)]


def program(kind):
    model = keras.Sequential([keras.Input([6, 4]), *LAYERS.get(kind, two_layers)()])
    optimizer = OPTIMIZERS.get(kind, lambda: optimizers.Adam(0.01, epsilon=1e-8))()
    if kind != "without":
        optimizer.build(model.trainable_variables)
    return model, optimizer, tf.train.Checkpoint(model=model, optimizer=optimizer)


def train(model, optimizer, first, count):
    losses = []
    for i in range(first, first + count):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(X[i], training=True) - Y[i]))
        gradients = tape.gradient(loss, model.trainable_variables)
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply(gradients, model.trainable_variables)
        losses.append(loss.numpy())
    averages = getattr(optimizer, "_model_variables_moving_average", [])
    return losses + [number for v in averages for number in v.numpy().flat]


for kind in kinds:
    keras.backend.clear_session()
    model, optimizer, checkpoint = program(kind)
    path = os.path.join(folder, kind)
    if action == "start":
        checkpoint.write(os.path.join(path, "new_start"))
        continue
    checkpoint.restore(os.path.join(path, "converted")).assert_consumed()
    start = [variable.numpy() for variable in optimizer.variables]
    np.save(os.path.join(path, "new_first"), train(model, optimizer, 10, 20))
    checkpoint.write(os.path.join(path, "new_trained"))
    np.save(os.path.join(path, "new_back"), train(model, optimizer, 30, 20))
    # The same without the optimizer's slots: how far a run is off that lost them.
    checkpoint.restore(os.path.join(path, "converted"))
    for variable, value in list(zip(optimizer.variables, start))[2:]:
        variable.assign(np.zeros_like(value))
    np.save(os.path.join(path, "new_without"), train(model, optimizer, 10, 20))
