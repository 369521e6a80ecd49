"""The test accuracies that the programs have to reach."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """The range of test accuracies that is expected after `steps` steps."""

    steps: int
    low: float
    high: float = 1.0

    def __str__(self) -> str:
        return f">= {self.low:g}" if self.high == 1 else f"{self.low:g} to {self.high:g}"

    def fault(self, accuracy: float) -> str:
        """Says by how much an accuracy is outside the range; empty if it is inside."""
        if accuracy < self.low:
            return f"{self.low - accuracy:.4f} below the threshold"
        if accuracy > self.high:
            return f"{accuracy - self.high:.4f} above the threshold"
        return ""


# Full runs on MNIST: the project's aim. All others: the mean of five seeds (0 to 4), plus and minus
# four standard deviations.
FULL = {
    ("mnist", "mnist_softmax"): Threshold(1000, 0.91, 0.93),
    ("mnist", "mnist_deep"): Threshold(20000, 0.99),
    ("fashion_mnist", "mnist_softmax"): Threshold(1000, 0.7, 0.905),
    ("fashion_mnist", "mnist_deep"): Threshold(10000, 0.898, 0.909),
    ("digits", "mnist_softmax"): Threshold(1000, 0.912, 0.93),
    ("digits", "mnist_deep"): Threshold(2000, 0.926, 0.973),
}
QUICK = {
    ("mnist", "mnist_softmax"): Threshold(500, 0.9, 0.925),
    ("mnist", "mnist_deep"): Threshold(400, 0.925, 0.954),
    ("fashion_mnist", "mnist_softmax"): Threshold(500, 0.764, 0.86),
    ("fashion_mnist", "mnist_deep"): Threshold(400, 0.785, 0.844),
    ("digits", "mnist_softmax"): Threshold(500, 0.903, 0.935),
    ("digits", "mnist_deep"): Threshold(400, 0.89, 0.951),
}


def find(dataset: str, script: str, steps: int) -> Threshold | None:
    """Returns the threshold of a run; None if there is none for that number of steps."""
    known = [FULL.get((dataset, script)), QUICK.get((dataset, script))]
    return next((each for each in known if each and each.steps == steps), None)
