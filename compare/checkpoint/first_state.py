"""Runs a program until its first step, and saves its `tf.train.Checkpoint` there.

    python -m compare.checkpoint.first_state FILE new.py ARGUMENTS

Convert starts it for --for. The program restores nothing in this run: what it would restore is yet
to be written. The run ends when every optimizer of the checkpoint has its slots; if it has no
optimizer of Keras, after the first gradient of a tape.
"""

import os
import runpy
import sys


class FirstState:
    """Watches a program, and saves the checkpoint that it made last.

    In an eager step the values are those before the step; in a `tf.function` those after it, since
    variables that are made while it is traced have no value before.
    """

    def __init__(self, path: str):
        import keras
        import tensorflow as tf

        self._path = path
        self._made = []
        self._has_gradients = False
        self._keras, self._tf = keras, tf
        self._watch(tf.train.Checkpoint, keras.optimizers.Optimizer, type(tf.function(lambda: 0)))

    def _watch(self, checkpoint_class, optimizer_class, function_class) -> None:
        make, apply = checkpoint_class.__init__, optimizer_class.apply
        call, gradient = function_class.__call__, self._tf.GradientTape.gradient

        def made(checkpoint, *arguments, **options):
            make(checkpoint, *arguments, **options)
            self._made.append(checkpoint)

        def applied(optimizer, gradients, trainable_variables=None):
            if not optimizer.built and trainable_variables is not None:
                trainable_variables = list(trainable_variables)
                with self._tf.init_scope():
                    optimizer.build(trainable_variables)
            self._end_if_built()
            return apply(optimizer, gradients, trainable_variables)

        def called(function, *arguments, **options):
            result = call(function, *arguments, **options)
            self._end_if_built()
            return result

        def differentiated(*arguments, **options):
            self._end_if_built()  # of an eager step: the next one begins
            self._has_gradients = True
            return gradient(*arguments, **options)

        checkpoint_class.__init__, optimizer_class.apply = made, applied
        function_class.__call__, self._tf.GradientTape.gradient = called, differentiated
        checkpoint_class.restore = checkpoint_class.read = lambda *_, **options: _Nothing()

    def _end_if_built(self) -> None:
        if not self._made or not self._tf.executing_eagerly():
            return
        optimizers = self._optimizers()
        is_built = all(optimizer.built for optimizer in optimizers)
        if is_built and (optimizers or self._has_gradients):
            self.write()
            sys.stdout.flush()
            os._exit(0)

    def _optimizers(self) -> list:
        objects = self._tf.train.TrackableView(self._made[-1]).descendants()
        return [item for item in objects if isinstance(item, self._keras.optimizers.Optimizer)]

    def is_without_training(self) -> bool:
        """Says whether the checkpoint has no optimizer: the program restores and predicts.

        Then it may well fail after that, for it has predicted with other weights.
        """
        return bool(self._made) and not self._optimizers()

    def write(self) -> None:
        """Saves the last checkpoint that the program made, if it made one."""
        if self._made:
            self._made[-1].write(self._path)


class _Nothing:
    """The status of a checkpoint that was not restored: every check of it passes."""

    def __getattr__(self, name):
        return lambda *arguments, **options: self


def main() -> None:
    path, *command = sys.argv[1:]
    state = FirstState(path)
    sys.argv[:] = command
    sys.path[0] = os.path.dirname(os.path.abspath(command[0]))
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise
    except Exception:
        if not state.is_without_training():
            raise
    state.write()


if __name__ == "__main__":
    main()
