"""A trainer of two sides that take turns, as in adversarial nets (TensorFlow 1 style).

The model has `sides`, {name: variables}. The loss of the first side is the model's `loss`. The loss
of the second is its metric `NAME_loss`. The twin is tf2_style/training/two_sides.py.
"""

import tensorflow.compat.v1 as tf

from tf1_style.training.optimizers import OPTIMIZERS
from tf1_style.training.trainer import Trainer


class TwoSidesTrainer(Trainer):
    """Updates one side, then the other. Each has an optimizer and a list of variables."""

    def __init__(self, model_class, flags):
        self.optimizer_name = flags.optimizer
        super().__init__(model_class, flags)

    def minimize(self, loss):
        """Returns [(gradient, variable)] of both sides, and the operation that updates both."""
        first, second = self.model.sides
        losses = {first: loss, second: self.metrics[f"{second}_loss"]}
        gradients, self.train_ops = [], []
        for side, variables in self.model.sides.items():
            with tf.variable_scope(side):
                optimizer = OPTIMIZERS[self.optimizer_name](self.learning_rate)
                # Without var_list, each side would also be moved to help the other.
                pairs = optimizer.compute_gradients(losses[side], var_list=variables)
                counter = self.global_step if side == second else None
                self.train_ops.append(optimizer.apply_gradients(pairs, global_step=counter))
            gradients += pairs
        return gradients, tf.group(*self.train_ops)

    def train_step(self, batch, keep_prob, learning_rate, **run_arguments):
        """Updates both sides; returns the loss of the first side before its update."""
        feed_dict = self.feed(batch, keep_prob)
        feed_dict[self.learning_rate] = learning_rate
        first, second = self.train_ops
        # Two calls of run: the second side must see the new weights of the first.
        _, loss = self.session.run([first, self.fetched_loss], feed_dict, **run_arguments)
        self.session.run(second, feed_dict)
        return loss
