"""What every peer does: the twins' work on the same examples in the same order.

A peer is a program of its own, started as one; it prints `step N` now and then, as the twins do.
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
    """The constants of a twin, and what a step of it costs.

    Attributes
    ----------
    products : multiplications an example, of each layer forward.
    parameters : numbers that are trained.
    slots : numbers that the optimizer keeps for each of them.
    """

    batch_size: int
    learning_rate: float
    products: tuple[int, ...]
    parameters: int
    slots: int

    def operations(self) -> int:
        """Returns the floating-point operations of a step's products and convolutions.

        Each layer's product is made three times, forward and for the gradients of its weights and
        of its input; the first layer's input needs none. A product adds as often as it multiplies;
        the zeros around an image count as what it multiplies.
        """
        return 2 * self.batch_size * (3 * sum(self.products) - self.products[0])

    def optimizer_bytes(self) -> int:
        """Returns what an update reads (weights, gradients, slots) and writes (weights, slots)."""
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
    """Parses a peer's command line; `ways` are the values of its --way."""
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


def examples(arguments: argparse.Namespace) -> datasets.Examples:
    """Returns those that the twins train on."""
    return datasets.load(arguments.dataset, arguments.data_dir).train


def indices(step: int, arguments: argparse.Namespace, size: int) -> np.ndarray:
    """Returns the numbers of the examples that the twins take in that step."""
    return batches.indices(step, MODELS[arguments.model].batch_size, size, seed=0)


def train(step, arguments: argparse.Namespace) -> None:
    """Calls `step` with the numbers from 0 on, and says now and then how far it is."""
    for number in range(arguments.max_steps):
        if number % arguments.eval_every == 0:
            say(number)
        step(number)


def say(step: int) -> None:
    print(f"step {step}", flush=True)


one_line_errors = console.one_line_errors
quiet_import = console.quiet_import
