"""Runs a step of the softmax in each way that programs call it, and one product in two ways.

The model, the update and the batches are those of mnist_softmax. The ways differ in how a step gets
its examples and how Python calls it. The product is the gradient of fc1's input in mnist_deep.
"""

import work

with work.quiet_import():
    import tensorflow as tf

RATE = 0.5
IMAGES = tf.TensorSpec([None, 784], tf.float32)
LABELS = tf.TensorSpec([None, 10], tf.float32)
SCALAR = tf.TensorSpec([], tf.float32)
INDICES = tf.TensorSpec([None], tf.int64)


class Softmax:
    """The model and one step of it, in TensorFlow 2."""

    def __init__(self):
        self.W, self.b = tf.Variable(tf.zeros([784, 10])), tf.Variable(tf.zeros([10]))

    def update(self, images, labels, learning_rate):
        with tf.GradientTape() as tape:
            logits = tf.matmul(images, self.W) + self.b
            errors = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(errors)
        for variable, gradient in zip([self.W, self.b], tape.gradient(loss, [self.W, self.b])):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=learning_rate, delta=gradient
            )
        return loss


def eager(examples):
    model, rate = Softmax(), tf.constant(RATE)
    return lambda batch: model.update(*work.batch(examples, batch, one_hot=True), rate)


def arrays(examples):
    step = tf.function(Softmax().update, input_signature=[IMAGES, LABELS, SCALAR])
    return lambda batch: step(*work.batch(examples, batch, one_hot=True), RATE)


def tensors(examples):
    step = tf.function(Softmax().update, input_signature=[IMAGES, LABELS, SCALAR])
    rate = tf.constant(RATE)
    return lambda batch: step(*map(tf.constant, work.batch(examples, batch, one_hot=True)), rate)


def concrete(examples, jit_compile=None):
    step = tf.function(
        Softmax().update, input_signature=[IMAGES, LABELS, SCALAR], jit_compile=jit_compile
    ).get_concrete_function()
    rate = tf.constant(RATE)
    return lambda batch: step(*map(tf.constant, work.batch(examples, batch, one_hot=True)), rate)


def concrete_xla(examples):
    return concrete(examples, jit_compile=True)


def retraced(examples):
    """The rate is a Python number that changes at each step, and the function has no signature."""
    step = tf.function(Softmax().update)
    rates = iter(RATE * (1 - number / 1e9) for number in range(10**9))
    return lambda batch: step(
        *map(tf.constant, work.batch(examples, batch, one_hot=True)), next(rates)
    )


class OnDevice:
    """The examples are on the device, as bytes, and each step takes its own by their indices."""

    def __init__(self, examples):
        self.images, self.labels = tf.constant(examples.images), tf.constant(examples.labels)
        self.scale = examples.SCALE

    def __call__(self, batch):
        images = tf.cast(tf.gather(self.images, batch), tf.float32) * self.scale
        return images, tf.one_hot(tf.gather(self.labels, batch), 10)


def indices(examples):
    model, on_device, rate = Softmax(), OnDevice(examples), tf.constant(RATE)
    step = tf.function(
        lambda batch: model.update(*on_device(batch), rate), input_signature=[INDICES]
    ).get_concrete_function()
    return lambda batch: step(tf.constant(batch))


def feed_dict(examples):
    session, step, loss, inputs = _session()

    def run(batch):
        arrays = work.batch(examples, batch, one_hot=True)
        return session.run([step, loss], dict(zip(inputs, [*arrays, RATE])))[1]

    return run


def make_callable(examples):
    session, step, loss, inputs = _session()
    call = session.make_callable([step, loss], inputs)
    return lambda batch: call(*work.batch(examples, batch, one_hot=True), RATE)[1]


def _session():
    """Returns the same model, with the API of TensorFlow 1."""
    tf1 = tf.compat.v1
    tf1.disable_v2_behavior()
    images = tf1.placeholder(tf.float32, [None, 784])
    labels = tf1.placeholder(tf.float32, [None, 10])
    rate = tf1.placeholder(tf.float32, [])
    W, b = tf1.Variable(tf.zeros([784, 10])), tf1.Variable(tf.zeros([10]))
    logits = tf.matmul(images, W) + b
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))
    step = tf1.train.GradientDescentOptimizer(rate).minimize(loss)
    session = tf1.Session()
    session.run(tf1.global_variables_initializer())
    return session, step, loss, [images, labels, rate]


def product(examples):
    return _product(lambda dy, W: tf.matmul(dy, W, transpose_b=True))


def product_transposed(examples):
    return _product(lambda dy, W: tf.transpose(tf.matmul(W, dy, transpose_b=True)))


def _product(multiply):
    W = tf.Variable(tf.random.stateless_uniform([3136, 1024], [0, 0]))
    dy = tf.random.stateless_uniform([50, 1024], [0, 1])
    call = tf.function(
        lambda dy: multiply(dy, W)[0, 0], input_signature=[tf.TensorSpec([None, 1024], tf.float32)]
    ).get_concrete_function()
    return lambda batch: call(dy)


WAYS = {
    way.__name__: way
    for way in (
        *(eager, arrays, tensors, concrete, concrete_xla, retraced, indices),
        *(feed_dict, make_callable, product, product_transposed),
    )
}


def main():
    arguments = work.parse(__doc__, tuple(WAYS))
    examples = work.examples(arguments)
    step = WAYS[arguments.way](examples)
    size = len(examples)
    work.train(lambda number: float(step(work.indices(number, arguments, size))), arguments)


if __name__ == "__main__":
    with work.one_line_errors():
        main()
