"""Weights that Keras 2 saved as .h5: read for a checkpoint, or loaded and saved again by Keras 3.

    python -m compare.checkpoint.hdf5 OLD NEW new.py ARGUMENTS

Convert starts this for a new .weights.h5. It runs the program until it uses a model whose weights
exist; Keras itself then loads the old file into that model, layer by layer in their order, and
saves the new one.
"""

import os
import runpy
import sys

import numpy as np

from compare.checkpoint.saved import Saved, Tensor
from shared.console import UserError

USES = ("load_weights", "fit", "evaluate", "predict", "train_on_batch", "save_weights", "save")


def is_hdf5(path: str) -> bool:
    import h5py

    return os.path.isfile(path) and h5py.is_hdf5(path)


class Weights(Saved):
    """A file of `model.save_weights` or `model.save` of Keras 2, without the optimizer's state."""

    def __init__(self, path: str):
        """Reads the names and shapes.

        Raises
        ------
        UserError : it is not such a file.
        """
        import h5py

        self.path, self.is_tf2, self.is_ordered = path, False, True
        self.nodes, self.graph, self.tensors = [], None, {}
        try:
            with h5py.File(path) as file:
                root = file.get("model_weights", file)
                for layer in map(_text, root.attrs["layer_names"]):
                    for name in map(_text, root[layer].attrs["weight_names"]):
                        value = root[layer][name]
                        tensor = Tensor(name.partition(":")[0], value.name, [*value.shape], "")
                        tensor.dtype = value.dtype.name
                        self.tensors[tensor.name] = tensor
        except (OSError, LookupError, AttributeError) as error:
            raise UserError(
                f"could not read {path}: {error}; expected the weights of a model of Keras 2, with "
                "the names of its layers"
            )
        self._tell_kinds()

    def value(self, name: str) -> np.ndarray:
        import h5py

        with h5py.File(self.path) as file:
            return np.asarray(file[self.tensors[name].key])


def _text(name) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _watch(old: str, new: str) -> None:
    """Lets the first use of a model that has weights convert the file, and end the program."""
    import keras

    load, save = keras.Model.load_weights, keras.Model.save_weights

    def watched(method):
        def used(model, *arguments, **options):
            if not model.weights:
                return method(model, *arguments, **options)
            load(model, old)
            save(model, new)
            sys.stdout.flush()
            os._exit(0)

        return used

    for name in USES:
        setattr(keras.Model, name, watched(getattr(keras.Model, name)))


def main() -> None:
    old, new, *command = sys.argv[1:]
    _watch(old, new)
    sys.argv[:] = command
    sys.path[0] = os.path.dirname(os.path.abspath(command[0]))
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()
