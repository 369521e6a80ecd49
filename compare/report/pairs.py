"""The twins' two runs, held against each other: what the page says and shows of them."""

import base64
import itertools
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compare import bars, parity, parting
from compare.report.reading import Run
from compare.runner import STYLES
from shared import evaluation, pictures
from shared.console import UserError


@dataclass(frozen=True)
class Verdict:
    """What is said of one question."""

    subject: str
    holds: bool | None  # None where it cannot be told
    texts: list[str]


@dataclass(frozen=True)
class Setting:
    """What the runs were given, or ran on."""

    name: str
    values: list[str]  # one for each run
    matters: bool = True  # to the numbers

    @property
    def differs(self) -> bool:
        return self.matters and len(set(self.values)) > 1


@dataclass(frozen=True)
class Picture:
    """A small image of few pixels, which the page enlarges."""

    source: str  # a data: URI
    text: str
    caption: str


@dataclass(frozen=True)
class Confusion:
    """How many examples of each class were taken for which."""

    counts: list[list[int]]  # labels, then predictions
    text: str

    @property
    def largest(self) -> int:
        """The largest count off the diagonal."""
        return max(
            count
            for label, row in enumerate(self.counts)
            for taken_for, count in enumerate(row)
            if label != taken_for
        )


def pair_up(runs: list[Run]) -> list["Pair"]:
    """Pairs runs of the same script, the first of one style with the first of the other."""
    pairs = []
    for script in dict.fromkeys(run.result["script"] for run in runs):
        sides = [
            [run for run in runs if (run.result["script"], run.style) == (script, style)]
            for style in STYLES
        ]
        for twins in itertools.zip_longest(*sides):
            pairs.append(Pair([run for run in twins if run], anchor=f"pair-{len(pairs) + 1}"))
    return pairs


class Pair:
    """Two runs of the same script, or one whose twin is missing."""

    def __init__(self, runs: list[Run], anchor: str):
        self.runs = runs
        self.anchor = anchor  # the id it has in the page
        self.script = runs[0].result["script"]
        datasets = dict.fromkeys(str(run.result["flags"].get("dataset")) for run in runs)
        self.title = f"{self.script} on {' and '.join(datasets)}"
        self.settings = _settings(runs)
        self.differing = [item for item in self.settings if item.differs]
        self.verdicts = [_accuracy(runs), _parity(runs)]

    @property
    def summary(self) -> str:
        """What was run and on what, in a line."""
        words = {
            "steps": "{} steps",
            "seed": "seed {}",
            "precision": "{}",
            "device": "on {}",
            "threads": "{} threads",
            "tensorflow": "TensorFlow {}",
        }
        found = {item.name: " and ".join(dict.fromkeys(item.values)) for item in self.settings}
        return ", ".join(words[name].format(found[name]) for name in words if name in found)

    @property
    def missing(self) -> list[str]:
        """The styles that no run is of."""
        return [style for style in STYLES if style not in [run.style for run in self.runs]]

    def views(self, view: Callable[[Run], object]) -> list[tuple[str, object]]:
        """Returns what to show of each style, by name; once where it is the same in both."""
        shown = [view(run) for run in self.runs]
        if len(shown) == 2 and shown[0] == shown[1]:
            return [("Both styles", shown[0])]
        return [(run.style, value) for run, value in zip(self.runs, shown)]

    @property
    def confusions(self) -> list[tuple[str, Confusion]]:
        return self.views(_confusion)

    @property
    def mistakes(self) -> list[tuple[str, list[Picture]]]:
        return self.views(_mistakes)

    @property
    def filters(self) -> list[tuple[str, list[Picture]]]:
        return self.views(_filters)

    @property
    def costs(self) -> list[tuple[str, list[str]]]:
        """What the training took: a quantity and its values, one for each run."""
        results = [run.result for run in self.runs]
        paces = [result.get("steps_per_second") for result in results]  # None if it had no step
        seconds = [result.get("train_seconds") for result in results]
        return [
            ("ms a step", [f"{1000 / pace:.2f}" if pace else "-" for pace in paces]),
            ("steps/s", [f"{pace:.1f}" if pace else "-" for pace in paces]),
            ("seconds", ["-" if number is None else f"{number:.1f}" for number in seconds]),
            ("peak MiB", [f"{result['peak_memory_mib']:.0f}" for result in results]),
        ]

    @property
    def commands(self) -> list[str]:
        """The commands that these runs were, and the one that compares their every step."""
        flags = self.runs[0].result["flags"] | {
            "max_steps": self.runs[0].result["step"],
            "threads": self.runs[0].result["threads"],
        }
        flags = [f"--{name}={value}" for name, value in flags.items()]
        return [shlex.join(["python", *map(str, run.result["command"])]) for run in self.runs] + [
            shlex.join(["python", "-m", "compare", "parity", self.script, *flags])
        ]


def _settings(runs: list[Run]) -> list[Setting]:
    results = [run.result for run in runs]
    flags = dict.fromkeys(name for result in results for name in result["flags"])
    packages = dict.fromkeys(name for result in results for name in result["versions"])
    onednn = {"0": "off", "1": "on"}

    def each(value: Callable[[dict], object]) -> list[str]:
        return [str(value(result)) for result in results]

    return [
        Setting("steps", each(lambda result: f"{result['step']:,}")),
        *(Setting(name, each(lambda r, name=name: r["flags"].get(name, "-"))) for name in flags),
        Setting("device", each(lambda result: result["device"])),
        Setting("threads", each(lambda result: result["threads"])),
        Setting("oneDNN", each(lambda r: onednn.get(r.get("onednn"), "as TensorFlow chooses"))),
        *(Setting(name, each(lambda r, n=name: r["versions"].get(n, "-"))) for name in packages),
        Setting("restored from", each(lambda result: result.get("restored") or "-"), matters=False),
        Setting("started", each(lambda r: r["started"].replace("T", " ")), matters=False),
    ]


def _accuracy(runs: list[Run]) -> Verdict:
    """Says whether the test accuracies are equal, and within the bar if there is one."""
    accuracies = [run.result["test_accuracy"] for run in runs]
    bars_hold, bar_texts = zip(*map(_bar, runs))
    texts = _by_style(runs, [f"{accuracy:.4f}" for accuracy in accuracies])
    if len(set(accuracies)) > 1:
        texts.append(f"they differ by {accuracies[1] - accuracies[0]:+.4f}")
    texts += _by_style(runs, bar_texts)
    if len(set(accuracies)) > 1 or False in bars_hold:
        return Verdict("Accuracy", False, texts)
    return Verdict("Accuracy", True if len(runs) == 2 or all(bars_hold) else None, texts)


def _bar(run: Run) -> tuple[bool | None, str]:
    """Says whether the test accuracy of a run is within its bar, None if it has none."""
    steps, dataset = run.result["step"], str(run.result["flags"].get("dataset"))
    bar = bars.find(dataset, run.result["script"], steps)
    if bar is None:
        return None, f"no bar is set for {steps:,} steps on {dataset}"
    fault = bar.fault(run.result["test_accuracy"])
    return not fault, f"{fault or 'within the bar'}, {bar}"


def _by_style(runs: list[Run], texts: Sequence[str]) -> list[str]:
    """Returns what is said of each run; once where the same is said of both."""
    if len(runs) == 2 and len(set(texts)) == 1:
        return [f"both styles: {texts[0]}"]
    return [f"{run.style}: {text}" for run, text in zip(runs, texts)]


def _parity(runs: list[Run]) -> Verdict:
    """Says whether the two are the same step by step, if both have recorded their steps."""
    if len(runs) < 2:
        return Verdict("Parity", None, ["there is no twin to compare with"])
    if not all(run.trace for run in runs):
        return Verdict(
            "Parity", None, ["not recorded; python -m compare parity, as below, runs both and does"]
        )
    try:
        report = parity.of_runs(*(run.directory for run in runs))
    except UserError as error:
        return Verdict("Parity", None, [str(error)])
    holds = {parting.IDENTICAL: True, "parted": False}.get(report["verdict"])
    return Verdict("Parity", holds, parity.sentences(report) + report.get("causes", []))


def _confusion(run: Run) -> Confusion:
    labels, predictions = run.evaluation["labels"], run.evaluation["logits"].argmax(axis=1)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, predictions), 1)
    wrong = counts * (1 - np.eye(10, dtype=int))
    text = f"{wrong.sum():,} of {len(labels):,} test images are taken for another class"
    if wrong.any():
        label, taken_for = np.unravel_index(wrong.argmax(), wrong.shape)
        text += f", most often {label} for {taken_for}, {wrong.max()} times"
    return Confusion(counts.tolist(), text)


def _mistakes(run: Run) -> list[Picture]:
    arrays = run.evaluation
    logits = arrays["logits"][arrays["mistakes"]]
    found = []
    for image, label, predicted, confidence in zip(
        arrays["images"],
        arrays["labels"][arrays["mistakes"]],
        logits.argmax(axis=1),
        evaluation.probabilities(logits).max(axis=1),
    ):
        text = f"labelled {label}, taken for {predicted} with {confidence:.3f}"
        found.append(Picture(_uri(image), text, f"{label} → {predicted} {confidence:.3f}"))
    return found


def _filters(run: Run) -> list[Picture]:
    units = run.evaluation["filters"]
    return [
        Picture(
            _uri(np.uint8(np.rint(127.5 + 127.5 * unit))),
            f"filter {number} of {len(units)}",
            str(number),
        )
        for number, unit in enumerate(units, 1)
    ]


def _uri(picture: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(pictures.png(picture)).decode()
