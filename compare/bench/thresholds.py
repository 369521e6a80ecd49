"""The thresholds of the measurements, and the tables of the results."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compare.bench import programs
from compare.bench.programs import IMPORT
from compare.runner import STYLES
from compare.tables import Table

NOTE = (
    "Ratios of medians, for the faster path of a style, plain or --steps_per_call, unless the "
    "row says plain. At its best: the fastest of the ways that were measured. A call lasts at most "
    "a second. Of 20,000 steps, eight blocks of 100 steps among the last thousand took turns with "
    "as many among the first thousand of another run."
)


@dataclass(frozen=True)
class BenchThreshold:
    """A figure for each style, and the largest or smallest value that is allowed.

    Attributes
    ----------
    what : a description of the figure.
    figures : by style; empty if they were not measured.
    most, least : the allowed range.
    form : how figures are printed.
    """

    what: str
    figures: dict[str, float]
    most: float = math.inf
    least: float = -math.inf
    form: str = ".2f"

    @property
    def is_met(self) -> bool:
        return all(self.least <= value <= self.most for value in self.figures.values())


def judged(found: dict) -> list[dict]:
    """Returns all figures with their thresholds, as JSON values."""
    return [
        {
            "what": each.what,
            "threshold": f"<= {each.most:g}" if each.most < math.inf else f">= {each.least:g}",
            "figures": {style: round(value, 4) for style, value in each.figures.items()},
            "shown": {style: format(value, each.form) for style, value in each.figures.items()},
            "is_met": each.is_met,
        }
        for each in _thresholds(found)
    ]


def all_met(found: dict) -> bool:
    """Says whether every threshold that was measured is met."""
    return all(each["is_met"] for each in found["thresholds"])


def none_failed(found: dict) -> bool:
    """Says whether no program of the project failed."""
    return not any(row["fault"] for row in [*found["rows"], *found["causes"]] if row["is_ours"])


def _thresholds(found: dict) -> Iterator[BenchThreshold]:
    yield from _step_thresholds(found)
    if "start" in found:
        seconds = {name: np.median(list_) for name, list_ in found["start"].items()}
        figures = {style: seconds[style] / seconds[IMPORT] for style in STYLES}
        yield BenchThreshold(
            "mnist_softmax.py from the shell to 92 % / import tensorflow", figures, 1.25
        )
    if "long" in found:
        figures = {
            style: np.median(found["long"][style]["last"])
            / np.median(found["long"][style]["first"])
            for style in STYLES
        }
        yield BenchThreshold(
            "step time over 20,000 steps, last / first thousand", figures, 1.05, form=".3f"
        )
    if "memory" in found:
        bare = found["memory"][IMPORT]
        figures = {style: found["memory"][style] - bare for style in STYLES}
        yield BenchThreshold(
            "MiB of mnist_deep at its peak, beyond the import", figures, 700, form=".0f"
        )
    if "logging" in found:
        figures = {
            style: np.median(seconds["on"]) / np.median(seconds["off"])
            for style, seconds in found["logging"].items()
        }
        yield BenchThreshold("summaries, traces and checkpoints, on / off", figures, 1.08)
    if "recording" in found:
        figures = {
            style: np.median(seconds["on"]) / np.median(seconds["off"])
            for style, seconds in found["recording"].items()
        }
        yield BenchThreshold("an unedited CNN, recorded every ten steps / not", figures, 1.15)
    if "long" in found and found["long"]["precision"] == "bfloat16":
        figures = {style: found["long"][style]["test_accuracy"] for style in STYLES}
        yield BenchThreshold(
            "accuracy in bfloat16 after 20,000 steps", figures, least=0.99, form=".4f"
        )


# The most that a model may take, as times of its fastest peer; others 0.9 and 1.
MOST_OF_KERAS = {"mnist_deep": 0.8}
MOST_OF_PYTORCH = {"mnist_deep": 0.85, "mnist_softmax": 0.4}


class _Steps:
    """The median times of the measured programs, not a number where one was not measured."""

    def __init__(self, rows: list[dict]):
        self.models = list(dict.fromkeys(row["model"] for row in rows))
        self.median = {
            (row["model"], row["precision"], row["program"]): np.median(row["milliseconds"])
            for row in rows
            if row["milliseconds"] and not row["fault"]
        }

    def of(self, model: str, program: str, precision: str = "float32") -> float:
        return self.median.get((model, precision, program), math.nan)

    def best(self, model: str, style: str, precision: str = "float32") -> float:
        """Returns the time of the faster path of a style."""
        fast = self.of(model, f"{style} {programs.FAST}", precision)
        return np.fmin(self.of(model, style, precision), fast)

    def fastest(self, model: str, start: str, precision: str = "float32") -> float:
        """Returns the time of the fastest program whose name begins with `start`."""
        times = [
            time
            for (m, p, name), time in self.median.items()
            if (m, p) == (model, precision) and name.startswith(start)
        ]
        return min(times, default=math.nan)


def _step_thresholds(found: dict) -> Iterator[BenchThreshold]:
    steps = _Steps(found["rows"])
    of, best, fastest = steps.of, steps.best, steps.fastest

    def threshold(what, ratio, most, styles=STYLES):
        figures = {style: float(ratio(style)) for style in styles}
        return BenchThreshold(
            what, {s: value for s, value in figures.items() if not math.isnan(value)}, most
        )

    for model in steps.models:
        yield from _thresholds_of(model, steps, threshold)
    deep, softmax = "mnist_deep", "mnist_softmax"
    first = STYLES[0]
    yield threshold(
        f"{deep} float32 / {programs.LEGACY}",
        lambda s: best(deep, s) / fastest(deep, programs.LEGACY),
        0.45,
    )
    yield threshold(
        f"{programs.OLD} / {programs.LEGACY}",
        lambda s: of(deep, programs.OLD) / of(deep, programs.OLD_LEGACY),
        0.55,
        [first],
    )
    yield threshold(
        f"{deep} bfloat16 / PyTorch's autocast",
        lambda s: best(deep, s, "bfloat16") / fastest(deep, "PyTorch", "bfloat16"),
        1.1,
    )
    yield threshold(
        f"{deep} float32 / the machine's limit",
        lambda s: best(deep, s) / of(deep, programs.LIMIT),
        1.2,
    )
    yield threshold(
        f"{softmax} {programs.FAST} / TF1 plain",
        lambda s: of(softmax, f"{s} {programs.FAST}") / of(softmax, first),
        0.2,
    )
    yield threshold(
        "stories_qa, 10,000 words: sparse updates of the embeddings / dense ones",
        lambda s: of("stories_qa", f"{s} {programs.SPARSE}") / of("stories_qa", s),
        0.5,
    )


def _thresholds_of(model: str, steps: _Steps, threshold) -> Iterator[BenchThreshold]:
    """Yields the thresholds that every model has."""
    first, second = STYLES
    yield threshold(
        f"{model} float32, plain / Keras fit at its best",
        lambda s: steps.of(model, s) / steps.fastest(model, programs.KERAS_FIT),
        MOST_OF_KERAS.get(model, 0.9),
    )
    if model in programs.WITH_LSTM:
        yield threshold(
            f"{model} float32 / Keras's LSTM at its best",
            lambda s: steps.best(model, s) / steps.fastest(model, "Keras"),
            1.0,
        )
    yield threshold(
        f"{model} float32 / PyTorch at its best",
        lambda s: steps.best(model, s) / steps.fastest(model, "PyTorch"),
        MOST_OF_PYTORCH.get(model, 1.0),
    )
    yield threshold(
        f"{model} float32, plain, TF2 / TF1",
        lambda s: steps.of(model, second) / steps.of(model, first),
        1.1,
        [second],
    )


def steps_table(title: str, measured: list[dict]) -> Table:
    """Returns the table of the milliseconds a step of programs that took turns."""
    rows = []
    for row in measured:
        group = [
            other["milliseconds"]
            for other in measured
            if (other["model"], other["precision"]) == (row["model"], row["precision"])
        ]
        times, first = row["milliseconds"], group[0]
        is_known = times and first
        rows.append(
            {
                "model": row["model"],
                "precision": row["precision"],
                "program": row["program"],
                "ms a step": f"{np.median(times):.3g}" if times else "",
                "lowest to highest": f"{min(times):.3g} to {max(times):.3g}" if times else "",
                "times the first": f"{np.median(times) / np.median(first):.2f}" if is_known else "",
                "note": row["fault"],
            }
        )
    return Table(title, rows, [])


def _verdict(each: dict) -> str:
    return "not measured" if not each["figures"] else "ok" if each["is_met"] else "missed"


def thresholds_table(found: dict) -> Table:
    """Returns the table of the figures and their thresholds."""
    rows = [
        {
            "what": each["what"],
            **{style: each["shown"].get(style, "") for style in STYLES},
            "threshold": each["threshold"],
            "verdict": _verdict(each),
        }
        for each in found["thresholds"]
    ]
    return Table("Thresholds", rows, [NOTE])
