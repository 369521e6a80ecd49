"""What the measurements are held to, and the tables that say so."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compare.bench import programs
from compare.bench.programs import IMPORT
from compare.experiments.tables import Table
from compare.runner import STYLES

NOTE = (
    "Ratios of medians. Each style's best path counts, plain or --steps_per_call, unless the row "
    "says plain; a call lasts a second at most. Of 20,000 steps eight times 100 of the last "
    "thousand took turns with as many of the first thousand of another run."
)


@dataclass(frozen=True)
class Bar:
    """A figure of each style, and the most (or the least) that it may be."""

    what: str
    figures: dict[str, float]  # by style; empty where it was not measured
    most: float = math.inf
    least: float = -math.inf
    form: str = ".2f"

    @property
    def is_met(self) -> bool:
        return all(self.least <= value <= self.most for value in self.figures.values())


def judged(found: dict) -> list[dict]:
    """Returns what was measured of all that has a bar, as JSON can hold it."""
    return [
        {
            "what": bar.what,
            "bar": f"<= {bar.most:g}" if bar.most < math.inf else f">= {bar.least:g}",
            "figures": {style: round(value, 4) for style, value in bar.figures.items()},
            "shown": {style: format(value, bar.form) for style, value in bar.figures.items()},
            "is_met": bar.is_met,
        }
        for bar in _bars(found)
    ]


def is_good(found: dict) -> bool:
    """Says whether every bar is met and none of the twins failed."""
    return all(bar["is_met"] for bar in found["bars"]) and not any(
        row["fault"] for row in [*found["rows"], *found["causes"]] if row["is_ours"]
    )


def _bars(found: dict) -> Iterator[Bar]:
    yield from _step_bars(found)
    if "start" in found:
        seconds = {name: np.median(list_) for name, list_ in found["start"].items()}
        figures = {style: seconds[style] / seconds[IMPORT] for style in STYLES}
        yield Bar("mnist_softmax.py from the shell to 92 % / import tensorflow", figures, 1.5)
    if "long" in found:
        figures = {
            style: np.median(found["long"][style]["last"])
            / np.median(found["long"][style]["first"])
            for style in STYLES
        }
        yield Bar("step time over 20,000 steps, last / first thousand", figures, 1.05, form=".3f")
    if "memory" in found:
        bare = found["memory"][IMPORT]
        figures = {style: found["memory"][style] - bare for style in STYLES}
        yield Bar("MiB of mnist_deep at its peak, beyond the import", figures, 700, form=".0f")
    if "logging" in found:
        figures = {
            style: np.median(seconds["on"]) / np.median(seconds["off"])
            for style, seconds in found["logging"].items()
        }
        yield Bar("summaries, traces and checkpoints, on / off", figures, 1.08)
    if "long" in found and found["long"]["precision"] == "bfloat16":
        figures = {style: found["long"][style]["test_accuracy"] for style in STYLES}
        yield Bar("accuracy in bfloat16 after 20,000 steps", figures, least=0.99, form=".4f")


def _step_bars(found: dict) -> Iterator[Bar]:
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
        """The best of those of mnist_deep whose names begin so."""
        names = [(m, p, n) for m, p, n in median if (m, p) == ("mnist_deep", precision)]
        return min([median[name] for name in names if name[2].startswith(start)], default=math.nan)

    def best(style, precision="float32"):
        return np.fmin(plain(style, precision=precision), fast(style, precision=precision))

    def bar(what, ratio, most):
        figures = {style: float(ratio(style)) for style in STYLES}
        return Bar(what, {s: value for s, value in figures.items() if not math.isnan(value)}, most)

    deep = "mnist_deep float32"
    keras = median.get(("mnist_deep", "float32", "Keras, fit"), math.nan)
    yield bar(f"{deep}, plain / Keras fit", lambda s: plain(s) / keras, 0.85)
    yield bar(f"{deep} / PyTorch at its best", lambda s: best(s) / peer("PyTorch"), 1.05)
    yield bar(f"{deep} / TensorFlow 1.15.5", lambda s: best(s) / peer(programs.LEGACY), 0.45)
    yield bar(
        "mnist_deep bfloat16 / PyTorch's autocast",
        lambda s: best(s, "bfloat16") / peer("PyTorch", "bfloat16"),
        1.1,
    )
    yield bar(f"{deep} / the machine's limit", lambda s: best(s) / peer(programs.LIMIT), 1.4)
    tf1, tf2 = (plain(style, "mnist_softmax") for style in STYLES)
    figures = {} if math.isnan(tf2 / tf1) else {STYLES[1]: tf2 / tf1}
    yield Bar("mnist_softmax, plain, TF2 / TF1", figures, 1.15)
    yield bar(
        f"mnist_softmax {programs.FAST} / TF1 plain",
        lambda s: fast(s, "mnist_softmax") / tf1,
        0.45,
    )


def steps_table(title: str, measured: list[dict]) -> Table:
    """Returns the milliseconds a step of programs that took turns."""
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


def _verdict(bar: dict) -> str:
    return "not measured" if not bar["figures"] else "ok" if bar["is_met"] else "missed"


def bars_table(found: dict) -> Table:
    """Returns each figure beside its bar."""
    rows = [
        {
            "what": bar["what"],
            **{style: bar["shown"].get(style, "") for style in STYLES},
            "bar": bar["bar"],
            "verdict": _verdict(bar),
        }
        for bar in found["bars"]
    ]
    return Table("Held to their bars", rows, [NOTE])
