"""A model with its loss, metrics and optimizer: one step and one evaluation (TensorFlow 1 style).

The graph is built once, from placeholders. Each step feeds it a batch by `feed_dict`. The loop of
both styles is shared/training.py. The twin is tf2_style/training/trainer.py.
"""

import tensorflow.compat.v1 as tf

from shared import machine
from tf1_style.training.optimizers import OPTIMIZERS


class Trainer:
    """Trains and evaluates one model.

    Attributes
    ----------
    model : the program's model; it declares its inputs, targets, loss and metrics.
    variables : {name: variable}, including the optimizer's slots.
    weights : names of the model's variables, including moving averages.
    """

    def __init__(self, model_class, flags):
        if flags.steps_per_call > 1:  # a tf.while_loop reads only these again in each pass
            tf.enable_resource_variables()
        self.placeholders = {}
        with tf.name_scope("input"):
            for name, (shape, dtype) in {**model_class.inputs, **model_class.targets}.items():
                self.placeholders[name] = tf.placeholder(dtype, shape, name=name)
            self.keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")
        self.global_step = tf.train.create_global_step()
        self.model = model_class(flags)
        self.loss, self.metrics, _, self.activations = self.forward(
            self.placeholders, self.keep_prob, training=True
        )
        # All variables but the first, which is the global step.
        self.weights = [variable.op.name for variable in tf.global_variables()[1:]]
        with tf.variable_scope("train"):
            self.learning_rate = tf.placeholder(tf.float32, [], name="learning_rate")
            self.optimizer = OPTIMIZERS[flags.optimizer](self.learning_rate)
            self.gradients, self.train_op = self.minimize(self.loss)
        loss, metrics, outputs, layers = self.forward(
            self.placeholders, self.keep_prob, training=False
        )
        # TensorFlow keeps a fetched tensor, and the operation that computes it, in float32. If a
        # copy is fetched instead, bfloat16 rounds as in the twin, whose function also returns a
        # copy.
        self.fetched_loss = tf.identity(self.loss)
        self.evaluation = tf.identity(loss), _copies(metrics), _copies(outputs)
        self.evaluated_layers = _copies(layers)
        self.variables = {variable.op.name: variable for variable in tf.global_variables()}

        config = tf.ConfigProto(
            intra_op_parallelism_threads=flags.threads,
            inter_op_parallelism_threads=machine.threads_between(flags),
        )
        if flags.precision == "bfloat16":
            rewrites = config.graph_options.rewrite_options
            rewrites.auto_mixed_precision_onednn_bfloat16 = rewrites.ON
        self.session = self.create_session(config)

    def create_session(self, config):
        """Returns a session whose variables are initialized."""
        session = tf.Session(config=config)
        session.run(tf.global_variables_initializer())
        return session

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

    def minimize(self, loss):
        """Returns [(gradient, variable)] and the operation that applies the gradients."""
        # optimizer.minimize() makes these two calls; the summaries need the gradients between them.
        gradients = self.optimizer.compute_gradients(loss)
        # Batch norm's updates run only if the train_op depends on them.
        updates = tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)
        with tf.control_dependencies(updates):
            train_op = self.optimizer.apply_gradients(gradients, global_step=self.global_step)
        del updates[:]  # a second copy of the model in this graph adds its own updates
        return gradients, train_op

    def feed(self, batch, keep_prob=1.0):
        """Returns the `feed_dict` of a batch, which may lack the targets for `layers`."""
        feed_dict = {self.placeholders[name]: array for name, array in batch.items()}
        feed_dict[self.keep_prob] = keep_prob
        return feed_dict

    def train_step(self, batch, keep_prob, learning_rate, **run_arguments):
        """Updates the weights once; returns the loss before the update."""
        feed_dict = self.feed(batch, keep_prob)
        feed_dict[self.learning_rate] = learning_rate
        _, loss = self.session.run([self.train_op, self.fetched_loss], feed_dict, **run_arguments)
        return loss

    def evaluate(self, batch):
        """Returns the loss, and dicts of metrics and outputs, without dropout."""
        return self.session.run(self.evaluation, self.feed(batch))

    def layers(self, batch):
        """Returns the activations of each layer without dropout: names to arrays [n, ...]."""
        return self.session.run(self.evaluated_layers, self.feed(batch))

    def layer_shapes(self):
        """Returns the shapes of the layers' activations by name; the batch's size is None."""
        return {name: output.shape.as_list() for name, output in self.activations.items()}

    def values(self, names):
        """Returns the values of the variables of these names, as a dict of arrays."""
        return self.session.run({name: self.variables[name] for name in names})


def _copies(tensors):
    return {name: tf.identity(tensor) for name, tensor in tensors.items()}
