"""The project's models in Keras: `model.fit`, or Keras's optimizer in a tf.function."""

import work

with work.quiet_import(needs_keras=True):
    import keras
    import tensorflow as tf

WAYS = ("fit", "steps_per_execution", "tf_function")


def mnist_softmax():
    return keras.Sequential([keras.Input([784]), keras.layers.Dense(10)])


def mnist_deep():
    return keras.Sequential(
        [
            keras.Input([784]),
            keras.layers.Reshape([28, 28, 1]),
            keras.layers.Conv2D(32, 5, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 5, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(1024, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10),
        ]
    )


class Lines(keras.callbacks.Callback):
    """Prints the steps of `fit`.

    With `async_safe`, `fit` would call this class in a thread at each step, which takes twice the
    time.
    """

    def __init__(self, every):
        super().__init__()
        self.every = every
        self.done = self.said = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self.done

    def on_train_batch_end(self, batch, logs=None):
        # With steps_per_execution the last call of an epoch counts too many steps.
        self.done = self.before + min(batch + 1, self.params["steps"])
        if self.done >= self.said + self.every:  # with steps_per_execution a call does several
            self.said = self.done
            work.say(self.done)


def fit(arguments, model, loss, optimizer):
    steps_per_execution = 100 if arguments.way == "steps_per_execution" else 1
    model.compile(
        optimizer,
        loss,
        steps_per_execution=steps_per_execution,
        jit_compile=False if arguments.nojit_compile else "auto",
    )
    examples = work.examples(arguments)
    batch_size = work.MODELS[arguments.model].batch_size
    # All epochs have the same order; the project's programs shuffle before each epoch.
    order = [work.indices(k, arguments, len(examples)) for k in range(len(examples) // batch_size)]
    images, labels = work.batch(examples, work.np.concatenate(order))
    model.fit(
        images,
        labels,
        batch_size=batch_size,
        epochs=-(-arguments.max_steps // len(order)),
        shuffle=False,
        verbose=0,
        callbacks=[Lines(arguments.eval_every)],
    )


def tf_function(arguments, model, loss, optimizer):
    optimizer.build(model.trainable_variables)
    examples = work.examples(arguments)

    @tf.function(
        input_signature=[tf.TensorSpec([None, 784], tf.float32), tf.TensorSpec([None], tf.int64)]
    )
    def update(images, labels):
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    def step(number):
        images, labels = work.batch(examples, work.indices(number, arguments, len(examples)))
        float(update(tf.constant(images), tf.constant(labels)))

    work.train(step, arguments)


def main():
    arguments = work.parse(__doc__, WAYS, "nojit_compile")
    model = {"mnist_softmax": mnist_softmax, "mnist_deep": mnist_deep}[arguments.model]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = work.MODELS[arguments.model].learning_rate
    is_softmax = arguments.model == "mnist_softmax"
    optimizer = keras.optimizers.SGD(rate) if is_softmax else keras.optimizers.Adam(rate)
    (tf_function if arguments.way == "tf_function" else fit)(arguments, model, loss, optimizer)


if __name__ == "__main__":
    with work.one_line_errors():
        main()
