"""The parts that the peer programs share: the same examples in the same order, and printed lines.

Each peer is a separate program. It prints `step N` at intervals, as the project's programs do.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from shared import batches, console, datasets
from shared.datasets import pairs, posts, reviews, stereo, stories

TARGETS = ("labels", "answer", "age", "income", "gender", "positive", "same", "disparity")


@dataclass(frozen=True)
class Model:
    """The constants of a model, and for some models the cost of one step.

    Attributes
    ----------
    optimizer : its name in Keras and PyTorch, in small letters.
    load : loads the dataset, as the project's program does.
    settings : flags of the program that the dataset depends on.
    products : multiplications for one example in the forward pass of each layer.
    parameters : the number of trained parameters.
    slots : the optimizer's numbers for each parameter.
    """

    batch_size: int
    learning_rate: float
    optimizer: str = "adam"
    load: Callable = lambda flags: datasets.load(flags.dataset, flags.data_dir)
    settings: tuple[tuple[str, object], ...] = ()
    products: tuple[int, ...] = ()
    parameters: int = 0
    slots: int = 0

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
    "mnist_softmax": Model(100, 0.5, "sgd", products=(784 * 10,), parameters=7850),
    "mnist_naive": Model(128, 1e-3, "sgd"),
    "mnist_pipeline": Model(100, 0.5, "sgd"),
    "mnist_mlp": Model(128, 1e-3),
    "mnist_deep": Model(
        50,
        1e-4,
        products=(28 * 28 * 32 * 25, 14 * 14 * 64 * 25 * 32, 7 * 7 * 64 * 1024, 1024 * 10),
        parameters=3274634,
        slots=2,
    ),
    "mnist_convnet": Model(128, 1e-2),
    "mnist_inception": Model(32, 2e-3),
    "mnist_separable": Model(64, 1e-3, "rmsprop"),
    "mnist_gan": Model(128, 1e-3, load=datasets.load_unlabelled),
    "same_digit": Model(128, 2e-3, load=pairs.load, settings=(("seed", 0),)),
    "stories_qa": Model(
        128,
        1e-3,
        "rmsprop",
        stories.load,
        (("dataset", "stories"), ("facts", 1), ("vocabulary", 10000)),
    ),
    "reviews_conv1d": Model(
        128,
        1e-3,
        "rmsprop",
        reviews.load,
        (("dataset", "movie_reviews"), ("length", None), ("vocabulary", 2000)),
    ),
    "posts_profile": Model(32, 5e-4, "rmsprop", posts.load, (("vocabulary", 50000),)),
    "stereo_xception": Model(8, 5e-4, load=stereo.load, settings=(("seed", 0), ("image", 71))),
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
    parser.add_argument(
        "--device", default="", help="cpu, gpu, gpu:N; default: a GPU if there is one"
    )
    arguments = parser.parse_args()
    kind, _, number = arguments.device.partition(":")
    if kind == "cpu" or number:
        os.environ["CUDA_VISIBLE_DEVICES"] = number or "-1"  # read at the first operation
    return arguments


def examples(arguments: argparse.Namespace) -> datasets.Examples:
    """Returns the training examples."""
    model = MODELS[arguments.model]
    settings = {**vars(arguments), **dict(model.settings)}
    return model.load(SimpleNamespace(**settings)).train


def batch(
    examples: datasets.Images, indices: np.ndarray | slice, one_hot: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Returns images, float32 [n, 784], and labels, int64 [n] or one-hot float32 [n, 10]."""
    return tuple(examples.batch(indices, one_hot=one_hot).values())


def parts(
    examples: datasets.Examples, indices: np.ndarray | slice
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns the inputs and the targets of a batch by their names; labels are int64 [n]."""
    if isinstance(examples, datasets.Images):
        found = examples.batch(indices, one_hot=False)
    else:
        found = examples.batch(indices)
    inputs = {name: array for name, array in found.items() if name not in TARGETS}
    return inputs, {name: array for name, array in found.items() if name in TARGETS}


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
