"""The project's models in Keras: `model.fit`, or Keras's optimizer in a tf.function."""

import work

with work.quiet_import(needs_keras=True):
    import keras
    import keras_models
    import tensorflow as tf

WAYS = ("fit", "steps_per_execution", "tf_function")


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


def fit(arguments, model, losses, optimizer):
    """Runs `fit`; where the model has its own `train_step`, as mnist_gan, that is compiled."""
    steps_per_execution = 100 if arguments.way == "steps_per_execution" else 1
    has_several = len(losses) > 1
    loss, _ = one(losses) or (None, None)
    model.compile(
        optimizer,
        {name: loss for name, (loss, _) in losses.items()} if has_several else loss,
        loss_weights={name: w for name, (_, w) in losses.items()} if has_several else None,
        steps_per_execution=steps_per_execution,
        jit_compile=False if arguments.nojit_compile else "auto",
    )
    examples = work.examples(arguments)
    batch_size = work.MODELS[arguments.model].batch_size
    # All epochs have the same order; the project's programs shuffle before each epoch.
    order = [work.indices(k, arguments, len(examples)) for k in range(len(examples) // batch_size)]
    inputs, targets = work.parts(examples, work.np.concatenate(order))
    model.fit(
        inputs if len(inputs) > 1 else one(inputs),
        targets if len(targets) > 1 else one(targets),
        batch_size=batch_size,
        epochs=-(-arguments.max_steps // len(order)),
        shuffle=False,
        verbose=0,
        callbacks=[Lines(arguments.eval_every)],
    )


def one(named):
    """Returns the only value of a dict; None if it is empty, as the targets of mnist_gan."""
    return next(iter(named.values()), None)


def tf_function(arguments, model, losses, optimizer):
    optimizer.build(model.trainable_variables)
    examples = work.examples(arguments)

    def batch(number):
        return work.parts(examples, work.indices(number, arguments, len(examples)))

    def signature(arrays):
        return {
            name: tf.TensorSpec([None, *array.shape[1:]], array.dtype)
            for name, array in arrays.items()
        }

    @tf.function(input_signature=[*map(signature, batch(0))])
    def update(inputs, targets):
        with tf.GradientTape() as tape:
            outputs = model(inputs if len(inputs) > 1 else one(inputs), training=True)
            outputs = outputs if len(targets) > 1 else {name: outputs for name in targets}
            terms = [
                weight * loss(targets[name], outputs[name])
                for name, (loss, weight) in losses.items()
            ]
            value = tf.add_n(terms) if len(terms) > 1 else terms[0]
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    def step(number):
        inputs, targets = (
            {name: tf.constant(array) for name, array in arrays.items()} for arrays in batch(number)
        )
        float(update(inputs, targets))

    work.train(step, arguments)


def main():
    arguments = work.parse(__doc__, WAYS, "nojit_compile")
    constants = work.MODELS[arguments.model]
    model = getattr(keras_models, arguments.model)()
    _, targets = work.parts(work.examples(arguments), slice(1))
    losses = {name: loss for name, loss in keras_models.losses().items() if name in targets}
    optimizers = {
        "sgd": keras.optimizers.SGD,
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
    }
    optimizer = optimizers[constants.optimizer](constants.learning_rate)
    (tf_function if arguments.way == "tf_function" else fit)(arguments, model, losses, optimizer)


if __name__ == "__main__":
    with work.one_line_errors():
        main()
