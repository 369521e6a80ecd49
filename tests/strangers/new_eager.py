"""Trains Keras's layers in an eager loop, without any tf.function."""

import tensorflow as tf
from model import X, Y, cross_entropy, network, optimizer

model, optimizer, loss_of = network(), optimizer(), cross_entropy()
for i in range(30):
    with tf.GradientTape() as tape:
        loss = loss_of(Y[i], model(X[i], training=True))
        if model.losses:
            loss += tf.add_n(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
