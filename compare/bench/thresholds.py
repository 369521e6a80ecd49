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
    "row says plain. A call lasts at most a second. Of 20,000 steps, eight blocks of 100 steps "
    "among the last thousand took turns with as many among the first thousand of another run."
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
    """Says whether every threshold is met and no program of the project failed."""
    return all(each["is_met"] for each in found["thresholds"]) and not any(
        row["fault"] for row in [*found["rows"], *found["causes"]] if row["is_ours"]
    )


def _thresholds(found: dict) -> Iterator[BenchThreshold]:
    yield from _step_thresholds(found)
    if "start" in found:
        seconds = {name: np.median(list_) for name, list_ in found["start"].items()}
        figures = {style: seconds[style] / seconds[IMPORT] for style in STYLES}
        yield BenchThreshold(
            "mnist_softmax.py from the shell to 92 % / import tensorflow", figures, 1.5
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


def _step_thresholds(found: dict) -> Iterator[BenchThreshold]:
    median = {
        (row["model"], row["precision"], row["program"]): np.median(row["milliseconds"])
        for row in found["rows"]
        if row["milliseconds"]
    }

    def plain(style, model="mnist_deep", precision="float32"):
        return median.get((model, precision, style), math.nan)

    def fast(style, model="mnist_deep", precision="float32"):
        return median.get((model, precision, f"{style} {programs.FAST}"), math.nan)

    def peer(start, precision="float32"):
        """The fastest program of mnist_deep whose name begins with `start`."""
        names = [(m, p, n) for m, p, n in median if (m, p) == ("mnist_deep", precision)]
        return min([median[name] for name in names if name[2].startswith(start)], default=math.nan)

    def best(style, precision="float32"):
        return np.fmin(plain(style, precision=precision), fast(style, precision=precision))

    def threshold(what, ratio, most):
        figures = {style: float(ratio(style)) for style in STYLES}
        return BenchThreshold(
            what, {s: value for s, value in figures.items() if not math.isnan(value)}, most
        )

    deep = "mnist_deep float32"
    keras = median.get(("mnist_deep", "float32", "Keras, fit"), math.nan)
    yield threshold(f"{deep}, plain / Keras fit", lambda s: plain(s) / keras, 0.85)
    yield threshold(f"{deep} / PyTorch at its best", lambda s: best(s) / peer("PyTorch"), 1.05)
    yield threshold(f"{deep} / TensorFlow 1.15.5", lambda s: best(s) / peer(programs.LEGACY), 0.45)
    old, legacy = (
        median.get(("mnist_deep", "float32", name), math.nan)
        for name in (programs.OLD, programs.OLD_LEGACY)
    )
    figures = {} if math.isnan(old / legacy) else {STYLES[0]: old / legacy}
    yield BenchThreshold(f"{programs.OLD} / {programs.LEGACY}", figures, 0.55)
    yield threshold(
        "mnist_deep bfloat16 / PyTorch's autocast",
        lambda s: best(s, "bfloat16") / peer("PyTorch", "bfloat16"),
        1.1,
    )
    yield threshold(f"{deep} / the machine's limit", lambda s: best(s) / peer(programs.LIMIT), 1.4)
    tf1, tf2 = (plain(style, "mnist_softmax") for style in STYLES)
    figures = {} if math.isnan(tf2 / tf1) else {STYLES[1]: tf2 / tf1}
    yield BenchThreshold("mnist_softmax, plain, TF2 / TF1", figures, 1.15)
    yield threshold(
        f"mnist_softmax {programs.FAST} / TF1 plain",
        lambda s: fast(s, "mnist_softmax") / tf1,
        0.45,
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
