"""The rungs of the ladder: the model, its training, and the figure of its source."""

from dataclasses import dataclass

from compare.experiments.cases import Case
from compare.thresholds import Threshold


@dataclass(frozen=True)
class Rung:
    """A case and what is expected of it; `case.source` is the source's figure as a number.

    Attributes
    ----------
    says : the source's figure, in the source's words.
    threshold : the threshold of the mean test accuracy of the seeds, in a full run.
    quick : the least test accuracy of a --quick run on the digits; 0 if the model learns nothing
        from so few examples, so that only the two styles are compared.
    swing : the least change of the validation accuracy from epoch to epoch, in points.
    """

    case: Case
    says: str
    threshold: Threshold
    quick: float
    swing: float = 0.0


def _rung(
    title, says, threshold, quick, source=None, script="mnist_mlp", swing=0.0, **flags
) -> Rung:
    flags = {"dataset": "mnist", **flags}
    return Rung(Case(title, flags, source, script), says, threshold, quick, swing)


def _near(figure: float) -> Threshold:
    """Returns the range of half a point to either side of a figure."""
    return Threshold(0, round(figure - 0.005, 4), round(figure + 0.005, 4))


_ALL_RIGHT = Threshold(0, 1.0)
_ALL_TRAIN = {"validation_size": 0}
_SGD = {"optimizer": "sgd", "learning_rate": 0.01}
_FALLING = {"learning_rate": 0.01, "decay": 0.6}
_SQUARES = dict(
    **_ALL_TRAIN,
    activation="tanh",
    output_activation="tanh",
    loss="mean_squared_error",
    initializer="uniform",
    epochs=30,
)

RUNGS = [
    _rung("perceptron", "-1, 1, 1, 1", _ALL_RIGHT, 1.0, script="perceptron"),
    _rung(
        "perceptron, trained",
        "loss 0.89 to about 0.02",
        _ALL_RIGHT,
        1.0,
        script="perceptron",
        train=True,
    ),
    _rung("gradients", "2; all 2", _ALL_RIGHT, 1.0, script="tape_basics"),
    _rung("naive", "82 % (81.3 to 82.1)", _near(0.82), 0.0, 0.82, "mnist_naive", **_ALL_TRAIN),
    _rung(
        "softmax",
        "90 %",
        _near(0.9),
        0.75,
        0.9,
        "mnist_softmax",
        **_ALL_TRAIN,
        **_SGD,
        batch_size=128,
        last_batch="short",
        epochs=10,
        csv_log=True,
    ),
    _rung(
        "sigmoid",
        "stalls",
        Threshold(0, 0.0, 0.6),
        0.0,
        **_SGD,
        activation="sigmoid",
        initializer="uniform",
    ),
    _rung("ReLU, Adam", "97 %", _near(0.97), 0.0, 0.97, epochs=3),
    _rung("rate 0.01", "accuracy swings", Threshold(0, 0.0), 0.8, swing=0.2, learning_rate=0.01),
    _rung(
        "falling rate", "over 98 % at its best", _near(0.98), 0.8, 0.98, **_FALLING, keep_best=True
    ),
    _rung("dropout", "about 98 %", _near(0.98), 0.8, 0.98, **_FALLING, keep_prob=0.75),
    _rung("1024", "97.65 %", _near(0.9765), 0.0, 0.9765, **_SQUARES, hidden="1024"),
    _rung("deep", "97.91 %", _near(0.9791), 0.8, 0.9791, **_SQUARES, hidden="1024,512,512,512"),
    _rung(
        "1024 on Fashion-MNIST",
        "89.25 %",
        _near(0.8925),
        0.0,
        0.8925,
        **_SQUARES,
        hidden="1024",
        dataset="fashion_mnist",
    ),
    _rung("convnet", "just under 99 %", _near(0.99), 0.7, 0.99, "mnist_convnet"),
    _rung(
        "convnet, dropout",
        "over 99 %",
        Threshold(0, 0.99),
        0.8,
        0.99,
        "mnist_convnet",
        keep_prob=0.6,
    ),
    _rung(
        "convnet, batch norm",
        '99.5 % "with a little luck"',
        Threshold(0, 0.994),
        0.5,
        0.995,
        "mnist_convnet",
        batch_norm=True,
        keep_prob=0.7,
        batch_size=64,
        decay=0.666,
        epochs=16,
    ),
]
