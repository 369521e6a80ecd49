"""The test accuracies that are expected of the scripts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """The test accuracy that is expected after so many steps."""

    steps: int
    low: float
    high: float = 1.0

    def __str__(self) -> str:
        return f">= {self.low:g}" if self.high == 1 else f"{self.low:g} to {self.high:g}"

    def fault(self, accuracy: float) -> str:
        """Says how far an accuracy is outside of the bar; nothing if it is within."""
        if accuracy < self.low:
            return f"{self.low - accuracy:.4f} below the bar"
        if accuracy > self.high:
            return f"{accuracy - self.high:.4f} above the bar"
        return ""


# Of the full runs on MNIST: the project's aim. All others: four standard deviations to either side
# of the mean of five seeds (0 to 4), which README.md lists.
FULL = {
    ("mnist", "mnist_softmax"): Bar(1000, 0.91, 0.93),
    ("mnist", "mnist_deep"): Bar(20000, 0.99),
    ("fashion_mnist", "mnist_softmax"): Bar(1000, 0.7, 0.905),
    ("fashion_mnist", "mnist_deep"): Bar(10000, 0.898, 0.909),
    ("digits", "mnist_softmax"): Bar(1000, 0.912, 0.93),
    ("digits", "mnist_deep"): Bar(2000, 0.926, 0.973),
}
QUICK = {
    ("mnist", "mnist_softmax"): Bar(500, 0.9, 0.925),
    ("mnist", "mnist_deep"): Bar(400, 0.925, 0.954),
    ("fashion_mnist", "mnist_softmax"): Bar(500, 0.764, 0.86),
    ("fashion_mnist", "mnist_deep"): Bar(400, 0.785, 0.844),
    ("digits", "mnist_softmax"): Bar(500, 0.903, 0.935),
    ("digits", "mnist_deep"): Bar(400, 0.89, 0.951),
}


def find(dataset: str, script: str, steps: int) -> Bar | None:
    """Returns the bar of a run, if there is one for just so many steps."""
    bars = [FULL.get((dataset, script)), QUICK.get((dataset, script))]
    return next((bar for bar in bars if bar and bar.steps == steps), None)
