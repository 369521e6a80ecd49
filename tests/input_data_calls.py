"""Makes the same calls of the original module or of ours, and prints a digest of all that came.

    python tests/input_data_calls.py original|ours DIR SEED

`original` is tensorflow.examples.tutorials.mnist.input_data, which TensorFlow 1.15.5 still has.
"""

import contextlib
import hashlib
import io
import json
import random
import sys
from pathlib import Path

import numpy as np


def digest(*arrays):
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(repr((str(array.dtype), array.shape)).encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


def calls(input_data, tf, folder, seed):
    """Yields what any mixture of calls delivers: batches, shuffles, counters, across epochs."""
    draw = random.Random(seed)
    for _ in range(25):
        options = {
            "one_hot": draw.random() < 0.5,
            "reshape": draw.random() < 0.5,
            "validation_size": draw.choice([0, 5, 20]),
            "seed": draw.choice([0, 1, 7, -3, 2**31 - 1, 2**40]),
            "dtype": draw.choice(["float32", "uint8", tf.float32, np.uint8]),
        }
        tf.reset_default_graph()
        if draw.random() < 0.5:
            tf.set_random_seed(3)
            options["seed"] = draw.choice([None, options["seed"]])
        with contextlib.redirect_stdout(io.StringIO()):
            sets = input_data.read_data_sets(folder, **options)
        yield [digest(part.images, part.labels) for part in sets]
        for _ in range(40):
            part = sets[draw.choice([0, 0, 0, 1, 2])]
            if part.num_examples == 0:
                continue
            if draw.random() < 0.1:  # old code winds the state back
                part._index_in_epoch = draw.choice([0, 3])
            if draw.random() < 0.05:
                part._epochs_completed = 0
            size = draw.choice([1, 3, 7, 10, 13, 50, 100])
            batch = part.next_batch(size, shuffle=draw.random() < 0.7)
            yield [
                digest(*batch),
                part.epochs_completed,
                part._index_in_epoch,
                digest(part._images, part._labels),
            ]


if __name__ == "__main__":
    which, folder, seed = sys.argv[1:]
    import tensorflow.compat.v1 as tf

    if which == "original":
        from tensorflow.examples.tutorials.mnist import input_data
    else:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from shared import input_data
    everything = list(calls(input_data, tf, folder, int(seed)))
    print(hashlib.sha256(json.dumps(everything).encode()).hexdigest())
