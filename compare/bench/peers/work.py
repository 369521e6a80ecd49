"""The parts that the peer programs share: the same examples in the same order, and printed lines.

Each peer is a separate program. It prints `step N` at intervals, as the project's programs do.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from shared import batches, console, datasets


@dataclass(frozen=True)
class Model:
    """The constants of a model, and the cost of one step.

    Attributes
    ----------
    products : multiplications for one example in the forward pass of each layer.
    parameters : the number of trained parameters.
    slots : the optimizer's numbers for each parameter.
    """

    batch_size: int
    learning_rate: float
    products: tuple[int, ...]
    parameters: int
    slots: int

    def operations(self) -> int:
        """Returns the floating-point operations of a step's products and convolutions.

        Each layer computes its product three times: forward, and for the gradients of its weights
        and of its input. The first layer's input needs no gradient. A product has as many additions
        as multiplications. Multiplications by the zeros around an image count too.
        """
        return 2 * self.batch_size * (3 * sum(self.products) - self.products[0])

    def optimizer_bytes(self) -> int:
        """Returns the bytes of an update: it reads all numbers, writes all but the gradients."""
        return 4 * self.parameters * (3 + 2 * self.slots)


MODELS = {
    "mnist_softmax": Model(100, 0.5, (784 * 10,), 7850, slots=0),
    "mnist_deep": Model(
        50,
        1e-4,
        (28 * 28 * 32 * 25, 14 * 14 * 64 * 25 * 32, 7 * 7 * 64 * 1024, 1024 * 10),
        3274634,
        slots=2,
    ),
}


def parse(doc: str, ways: tuple[str, ...] = (), *switches: str) -> argparse.Namespace:
    """Parses a program's command line; `ways` are the values of its --way."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--model", choices=MODELS, required=True)
    if ways:
        parser.add_argument("--way", choices=ways, required=True)
    for switch in switches:
        parser.add_argument(f"--{switch}", action="store_true")
    parser.add_argument("--dataset", choices=datasets.NAMES, default="mnist")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--max_steps", type=int, default=10**6)
    parser.add_argument("--eval_every", type=int, default=100, help="steps between two lines")
    return parser.parse_args()


def examples(arguments: argparse.Namespace) -> datasets.Images:
    """Returns the training examples."""
    return datasets.load(arguments.dataset, arguments.data_dir).train


def batch(
    examples: datasets.Images, indices: np.ndarray | slice, one_hot: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Returns images, float32 [n, 784], and labels, int64 [n] or one-hot float32 [n, 10]."""
    return tuple(examples.batch(indices, one_hot=one_hot).values())


def indices(step: int, arguments: argparse.Namespace, size: int) -> np.ndarray:
    """Returns the indices of a step's batch, the same as in the project's programs."""
    return batches.indices(step, MODELS[arguments.model].batch_size, size, seed=0)


def train(step, arguments: argparse.Namespace) -> None:
    """Calls `step` with 0, 1, 2, ... and prints its number every --eval_every steps."""
    for number in range(arguments.max_steps):
        if number % arguments.eval_every == 0:
            say(number)
        step(number)


def say(step: int) -> None:
    print(f"step {step}", flush=True)


one_line_errors = console.one_line_errors
quiet_import = console.quiet_import
