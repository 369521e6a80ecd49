"""A trainer of two sides that take turns, as in adversarial nets (TensorFlow 2 style).

The model has `sides`, {name: variables}. The loss of the first side is the model's `loss`. The loss
of the second is its metric `NAME_loss`. The twin is tf1_style/training/two_sides.py.
"""

import tensorflow as tf

from tf2_style.training.optimizers import OPTIMIZERS
from tf2_style.training.trainer import Trainer


class TwoSidesTrainer(Trainer):
    """Updates one side, then the other. Each has an optimizer and a list of variables."""

    def create_optimizer(self, flags):
        """Returns a module that holds the optimizer of each side."""
        optimizers = tf.Module()
        for side, variables in self.model.sides.items():
            with tf.name_scope(side):
                setattr(optimizers, side, OPTIMIZERS[flags.optimizer](variables))
        return optimizers

    def gradients_of(self, side, batch, keep_prob):
        """Returns the gradients of a side's variables, the loss, and the activations."""
        with tf.GradientTape() as tape:
            loss, metrics, _, activations = self.forward(batch, keep_prob, training=True)
            side_loss = metrics.get(f"{side}_loss", loss)
        # Without the list of variables, each side would also be moved to help the other.
        return tape.gradient(side_loss, self.model.sides[side]), loss, activations

    def update(self, batch, keep_prob, learning_rate):
        """Updates both sides; returns the loss of the first side before its update, a tensor."""
        losses = []
        for side in self.model.sides:
            gradients, loss, _ = self.gradients_of(side, batch, keep_prob)
            losses.append(loss)
            with tf.name_scope("train"), tf.name_scope(side):
                getattr(self.optimizer, side).apply(gradients, learning_rate)
        self.global_step.assign_add(1)
        return losses[0]

    def gradients_and_activations(self, batch, keep_prob):
        """Returns the gradients of both sides and the activations; changes no weights."""
        gradients, activations = {}, None
        for side, variables in self.model.sides.items():
            found, _, activations = self.gradients_of(side, batch, keep_prob)
            gradients.update(zip((variable.ref() for variable in variables), found))
        ordered = [gradients[variable.ref()] for variable in self.model.trainable_variables]
        return ordered, activations
