"""A model with its loss, metrics and optimizer: one step and one evaluation (TensorFlow 2 style).

A step is a Python function, traced once into a graph and called with a batch. The loop of both
styles is shared/training.py. The twin is tf1_style/training/trainer.py.
"""

import functools

import tensorflow as tf

from shared import machine
from tf2_style.training.optimizers import OPTIMIZERS

KEEP_PROB = tf.TensorSpec([], tf.float32, name="keep_prob")
LEARNING_RATE = tf.TensorSpec([], tf.float32, name="learning_rate")


class Trainer:
    """Trains and evaluates one model.

    Attributes
    ----------
    model : the program's model; it declares its inputs, targets, loss and metrics.
    variables : {name: variable}, including the optimizer's slots.
    weights : names of the model's variables, including moving averages.
    """

    def __init__(self, model_class, flags):
        tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
        tf.config.threading.set_inter_op_parallelism_threads(machine.threads_between(flags))
        if flags.precision == "bfloat16":
            tf.config.optimizer.set_experimental_options(
                {"auto_mixed_precision_onednn_bfloat16": True}
            )
        self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="global_step")
        self.model = model_class(flags)
        with tf.name_scope("train"):
            self.optimizer = self.create_optimizer(flags)
        self.variables = {
            variable.name.split(":")[0]: variable
            for variable in [*self.model.variables, *self.optimizer.variables, self.global_step]
        }
        self.weights = [variable.name.split(":")[0] for variable in self.model.variables]
        self.checkpoint = tf.train.Checkpoint(
            model=self.model, optimizer=self.optimizer, global_step=self.global_step
        )

        inputs, targets = signature(model_class.inputs), signature(model_class.targets)
        batch = {**inputs, **targets}
        self.update = tf.function(self.update, input_signature=[batch, KEEP_PROB, LEARNING_RATE])
        self.evaluate = tf.function(self.evaluate, input_signature=[batch])
        self.gradients_and_activations = tf.function(
            self.gradients_and_activations, input_signature=[batch, KEEP_PROB]
        )
        self.evaluated_layers = tf.function(self.evaluated_layers, input_signature=[inputs])
        self._constant = functools.lru_cache(maxsize=2)(tf.constant)  # rates seldom change

    def create_optimizer(self, flags):
        return OPTIMIZERS[flags.optimizer](self.model.trainable_variables)

    def forward(self, batch, keep_prob, training, replica=0):
        """Computes the loss of a batch, and dicts of its metrics, outputs and activations."""
        inputs = {name: batch[name] for name in self.model.inputs}
        # Each replica has dropout noise of its own: the step is only a seed.
        step = self.global_step + (replica << 40) if replica else self.global_step
        outputs, activations = self.model(
            keep_prob=keep_prob, step=step, training=training, **inputs
        )
        with tf.name_scope("loss"):
            loss = self.model.loss(outputs, batch)
        metrics = {}
        for name in self.model.metrics:
            with tf.name_scope(name):
                metrics[name] = getattr(self.model, name)(outputs, batch)
        return loss, metrics, outputs, activations

    def update(self, batch, keep_prob, learning_rate):
        """Updates the weights once; returns the loss before the update, a tensor."""
        with tf.GradientTape() as tape:
            loss, _, _, _ = self.forward(batch, keep_prob, training=True)
        with tf.name_scope("train"):
            gradients = tape.gradient(loss, self.model.trainable_variables)
            with tf.name_scope(type(self.optimizer).__name__):
                self.optimizer.apply(gradients, learning_rate)
                self.global_step.assign_add(1)
        return loss

    @functools.cached_property
    def _concrete_update(self):
        # A concrete function binds its arguments once, not three times. See docs/speed.md.
        return self.update.get_concrete_function()

    def train_step(self, batch, keep_prob, learning_rate):
        """Updates the weights once; returns the loss before the update."""
        tensors = {name: tf.constant(array) for name, array in batch.items()}
        keep_prob, learning_rate = self._constant(keep_prob), self._constant(learning_rate)
        return self._concrete_update(tensors, keep_prob, learning_rate).numpy()

    def evaluate(self, batch):
        """Returns the loss, and dicts of metrics and outputs, without dropout."""
        loss, metrics, outputs, _ = self.forward(batch, 1.0, training=False)
        return loss, metrics, outputs

    def gradients_and_activations(self, batch, keep_prob):
        """Returns gradients and activations of a step; restores the averages of batch norm."""
        averages = [variable for variable in self.model.variables if not variable.trainable]
        before = [average.read_value() for average in averages]
        with tf.GradientTape() as tape:
            loss, _, _, activations = self.forward(batch, keep_prob, training=True)
        for average, value in zip(averages, before):
            average.assign(value)
        return tape.gradient(loss, self.model.trainable_variables), activations

    def evaluated_layers(self, inputs):
        """Returns the activations of each layer as tensors; takes a dict of only the inputs."""
        _, activations = self.model(keep_prob=1.0, step=self.global_step, training=False, **inputs)
        return activations

    def layers(self, batch):
        """Returns the activations of each layer without dropout: names to arrays [n, ...]."""
        return self.evaluated_layers({name: batch[name] for name in self.model.inputs})

    def layer_shapes(self):
        """Returns the shapes of the layers' activations by name; the batch's size is None."""
        outputs = self.evaluated_layers.get_concrete_function().structured_outputs
        return {name: output.shape.as_list() for name, output in outputs.items()}

    def values(self, names):
        """Returns the values of the variables of these names, as a dict of arrays."""
        return {name: self.variables[name].numpy() for name in names}


def signature(declared):
    """Converts the {name: (shape, dtype)} that a model declares to an `input_signature`."""
    return {name: tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in declared.items()}
