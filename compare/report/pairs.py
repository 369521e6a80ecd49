"""Compares the runs of a pair: the verdicts, tables and pictures of the page."""

import base64
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compare import parity, thresholds
from compare.parity import first_difference
from compare.reading import CompleteRun
from compare.report import commands, words
from compare.runner import STYLES
from shared import evaluation, pictures
from shared.console import UserError

_MOST_COUNTS = 4  # length of the list of the most frequent confusions


@dataclass(frozen=True)
class PairVerdict:
    """The answer to one question about a pair."""

    subject: str
    holds: bool | None  # None if the question has no answer
    texts: list[str]


@dataclass(frozen=True)
class Setting:
    """A flag of the runs, or a property of the machine that they ran on."""

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
    """How the examples of each class were classified.

    Attributes
    ----------
    counts : examples, by label and then by prediction.
    text : the number of mistakes and the most frequent ones, in a sentence.
    """

    counts: list[list[int]]
    text: str

    @property
    def largest(self) -> int:
        """The largest count off the diagonal."""
        return max((count for count, _, _ in self.confused), default=0)

    @property
    def confused(self) -> list[tuple[int, int, int]]:
        """Pairs of classes that were confused: (count, label, prediction), most frequent first."""
        found = [
            (count, label, predicted)
            for label, row in enumerate(self.counts)
            for predicted, count in enumerate(row)
            if count and label != predicted
        ]
        return sorted(found, key=lambda item: (-item[0], *item[1:]))

    @property
    def by_count(self) -> list[tuple[int, list[str]]]:
        """The most frequent confusions, grouped by their count: (count, "1 → 9")."""
        groups = itertools.groupby(self.confused, key=lambda item: item[0])
        listed = [
            (count, [f"{label} → {predicted}" for _, label, predicted in group])
            for count, group in groups
        ]
        return listed[:_MOST_COUNTS]

    @property
    def by_class(self) -> list[tuple[int, int, int, float]]:
        """Each class: (label, number of examples, number of right ones, accuracy from 0 to 1)."""
        return [
            (label, sum(row), row[label], row[label] / max(sum(row), 1))
            for label, row in enumerate(self.counts)
        ]

    @property
    def lowest(self) -> float:
        """The lowest accuracy of all classes that have examples."""
        return min((share for _, total, _, share in self.by_class if total), default=0)


def pair_up(runs: list[CompleteRun]) -> list["Pair"]:
    """Pairs runs of the same script: the first of one style with the first of the other."""
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

    def __init__(self, runs: list[CompleteRun], anchor: str):
        self.runs = runs
        self.anchor = anchor  # its id in the page
        self.script = runs[0].result["script"]
        datasets = dict.fromkeys(str(run.result["flags"].get("dataset")) for run in runs)
        self.title = f"{self.script} on {' and '.join(datasets)}"
        self.settings = _settings(runs)
        self.differing = [item for item in self.settings if item.differs]
        self.verdicts = [_accuracy(runs), _parity(runs)]

    @property
    def summary(self) -> str:
        """The most important settings, in a line."""
        forms = {
            "steps": "{} steps",
            "seed": "seed {}",
            "precision": "{}",
            "device": "on {}",
            "threads": "{} threads",
            "tensorflow": "TensorFlow {}",
        }
        found = {item.name: " and ".join(dict.fromkeys(item.values)) for item in self.settings}
        return ", ".join(forms[name].format(found[name]) for name in forms if name in found)

    @property
    def missing(self) -> list[str]:
        """The styles without a run."""
        return [style for style in STYLES if style not in [run.style for run in self.runs]]

    def views(self, view: Callable[[CompleteRun], object]) -> list[tuple[str, object]]:
        """Returns the style and the view of each run; one for both styles if they are equal."""
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
        """The cost of the training: a quantity and its values, one for each run."""
        results = [run.result for run in self.runs]
        paces = [result.get("steps_per_second") for result in results]  # None without steps
        seconds = [result.get("train_seconds") for result in results]
        return [
            ("ms a step", [f"{1000 / pace:.2f}" if pace else "-" for pace in paces]),
            ("steps/s", [f"{pace:.1f}" if pace else "-" for pace in paces]),
            ("seconds", ["-" if number is None else f"{number:.1f}" for number in seconds]),
            ("peak MiB", [f"{result['peak_memory_mib']:.0f}" for result in results]),
        ]

    @property
    def commands(self) -> list[str]:
        """The commands that repeat the runs, and the one that compares their steps."""
        results = [run.result for run in self.runs]
        return [*map(commands.of_run, results), commands.of_parity(results[0])]


def _settings(runs: list[CompleteRun]) -> list[Setting]:
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
        Setting("restored from", each(_origin), matters=False),
        Setting("started", each(lambda r: r["started"].replace("T", " ")), matters=False),
    ]


def _origin(result: dict) -> str:
    restored = result.get("restored")
    return commands.shown_path(str(restored)) if restored else "-"


def _accuracy(runs: list[CompleteRun]) -> PairVerdict:
    """Says whether the test accuracies are equal, and meet their threshold if there is one."""
    accuracies = [run.result["test_accuracy"] for run in runs]
    holds, threshold_texts = zip(*map(_threshold, runs))
    are_equal = len(set(accuracies)) == 1
    if len(runs) == 2 and are_equal:
        texts = [f"equal in both styles: {accuracies[0]:.4f}"]
    else:
        texts = [f"{run.style}: {accuracy:.4f}" for run, accuracy in zip(runs, accuracies)]
    if not are_equal:
        texts.append(f"they differ by {accuracies[1] - accuracies[0]:+.4f}")
    texts += _by_style(runs, threshold_texts)
    if not are_equal or False in holds:
        return PairVerdict("Accuracy", False, texts)
    return PairVerdict("Accuracy", True if len(runs) == 2 or all(holds) else None, texts)


def _threshold(run: CompleteRun) -> tuple[bool | None, str]:
    """Says whether the test accuracy of a run meets its threshold, None if it has none."""
    steps, dataset = run.result["step"], str(run.result["flags"].get("dataset"))
    threshold = thresholds.find(dataset, run.result["script"], steps)
    if threshold is None:
        return None, f"no threshold is set for {steps:,} steps on {dataset}"
    fault = threshold.fault(run.result["test_accuracy"])
    return not fault, f"{fault or 'meets the threshold'}, {threshold}"


def _by_style(runs: list[CompleteRun], texts: Sequence[str]) -> list[str]:
    """Returns the style and the text of each run; one text for both styles if they are equal."""
    if len(runs) == 2 and len(set(texts)) == 1:
        return [f"both styles: {texts[0]}"]
    return [f"{run.style}: {text}" for run, text in zip(runs, texts)]


def _parity(runs: list[CompleteRun]) -> PairVerdict:
    """Says whether the runs are bit-identical step by step, if both have a trace."""
    if len(runs) < 2:
        return PairVerdict("Parity", None, ["there is no run of the other style"])
    if not all(run.trace for run in runs):
        text = "not recorded; the last command under Repeat the runs compares every step"
        return PairVerdict("Parity", None, [text])
    try:
        report = parity.of_runs(*(run.directory for run in runs))
    except UserError as error:
        return PairVerdict("Parity", None, [str(error)])
    verdicts = {first_difference.IDENTICAL: True, first_difference.DIFFERENT: False}
    holds = verdicts.get(report["verdict"])
    return PairVerdict("Parity", holds, parity.sentences(report) + report.get("causes", []))


def _confusion(run: CompleteRun) -> Confusion:
    labels, logits = run.evaluation["labels"], run.evaluation["logits"]
    counts = np.zeros([logits.shape[1]] * 2, int)
    np.add.at(counts, (labels, logits.argmax(axis=1)), 1)
    mistakes = len(labels) - np.trace(counts)
    text = f"{mistakes:,} of {len(labels):,} test images are classified wrongly"
    confused = Confusion(counts.tolist(), "").confused
    ties = [f"{label} as {predicted}" for count, label, predicted in confused]
    ties = ties[: sum(count == confused[0][0] for count, _, _ in confused)]
    if ties:
        often = _times(confused[0][0]) + (" each" if len(ties) > 1 else "")
        text += f", most often {words.some(ties, 'others')}, {often}"
    return Confusion(counts.tolist(), text)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _mistakes(run: CompleteRun) -> list[Picture]:
    arrays = run.evaluation
    logits = arrays["logits"][arrays["mistakes"]]
    found = []
    for image, label, predicted, confidence in zip(
        arrays["images"],
        arrays["labels"][arrays["mistakes"]],
        logits.argmax(axis=1),
        evaluation.probabilities(logits).max(axis=1),
    ):
        text = f"{label}, classified as {predicted} with probability {confidence:.3f}"
        found.append(Picture(_uri(image), text, f"{label} → {predicted} {confidence:.3f}"))
    return found


def _filters(run: CompleteRun) -> list[Picture]:
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
