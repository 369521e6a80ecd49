"""Trains Keras's layers with a tape in a tf.function."""

import tensorflow as tf
from model import MISTAKE, X, Y, cross_entropy, network, optimizer

model, optimizer, loss_of = network(), optimizer(), cross_entropy()


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        logits = model(x, training=MISTAKE != "evaluation_mode")
        if MISTAKE == "stop_gradient":
            logits = 0.5 * logits + tf.stop_gradient(0.5 * logits)
        loss = loss_of(y, logits)
        if MISTAKE != "losses_forgotten" and model.losses:
            loss += tf.add_n(model.losses)
        if MISTAKE == "loss_weight":
            loss = 0.5 * loss
    variables = model.trainable_variables
    if MISTAKE == "variable_missing":
        variables = variables[:-1]
    gradients = tape.gradient(loss, variables)
    if MISTAKE == "gradient_doubled":
        gradients = [2 * gradient for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables))


for i in range(30):
    train_step(X[i], Y[i])
