"""Draws curves as SVG, each with its numbers in words and in a table."""

import base64
import io
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from compare.report.reading import Run

# By quantity, and for each the light and the dark of one hue, from Okabe and Ito's palette, which
# the colour-blind can tell apart. In black and white the markers tell the quantities apart.
_HUES = (("#56b4e9", "#00456e"), ("#e69f00", "#7a3b00"))
_MARKERS = ("o", "s")
# By style: wide and light, then narrow, dark and dashed over it, so that both are seen where one
# lies on the other.
_STROKES = (
    {"linewidth": 5, "markersize": 9},
    {"linewidth": 1.3, "markersize": 3.5, "linestyle": (0, (4, 2))},
)
_MOST_MARKERS = 12  # on a curve
_SETTINGS = {
    "svg.fonttype": "none",  # text as text: smaller, and in the reader's own font
    "svg.hashsalt": "tf-twins",  # or the ids, and with them the file, differ from call to call
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
}


@dataclass(frozen=True)
class Chart:
    """A drawing, and what it shows for those who do not see it."""

    title: str
    source: str  # a data: URI
    text: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class _Curve:
    """One quantity in all the runs; `runs` and `points` go together."""

    name: str
    runs: list[Run]
    points: list[dict[int, float]]  # by step

    @property
    def difference(self) -> dict[int, float]:
        """The second style's value less the first's, at the steps that both have."""
        if len(self.points) < 2:
            return {}
        first, second = self.points
        return {step: second[step] - first[step] for step in first if step in second}


def learning_curves(runs: list[Run]) -> list[Chart]:
    """Returns the charts of loss and accuracy, as far as the runs have left summaries."""
    losses = {"loss/training": "training", "loss/validation": "validation"}
    accuracies = {"accuracy/training": "training", "accuracy/validation": "validation"}
    charts = [_chart("Loss", runs, losses, log=True), _chart("Accuracy", runs, accuracies)]
    return [chart for chart in charts if chart]


def speed(runs: list[Run]) -> Chart | None:
    """Returns the chart of the steps per second, which no two runs have in common."""
    return _chart("Steps per second", runs, {"steps_per_second": "steps/s"}, compare=False)


def _chart(
    title: str, runs: list[Run], tags: dict[str, str], log: bool = False, compare: bool = True
) -> Chart | None:
    """Draws one chart.

    Parameters
    ----------
    tags : the summaries' tags and what to call them, two at most.
    log : whether the scale is logarithmic; otherwise it begins at 0.
    compare : whether to draw the difference of the styles below, where there are two.
    """
    curves = []
    for tag, name in tags.items():
        having = [run for run in runs if tag in run.scalars]
        if having:
            curves.append(_Curve(name, having, [run.scalars[tag] for run in having]))
    if not curves:
        return None
    compared = [curve for curve in curves if compare and curve.difference]
    with mpl.rc_context(_SETTINGS):
        figure = _draw(title, curves, compared, log)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    source = "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
    scale = ", on a logarithmic scale" if log else ""
    texts = [f"{title} by step{scale}."]
    texts += [_last(curve) for curve in curves]
    texts += [_in_words(curve) for curve in compared]
    return Chart(title, source, " ".join(texts), *_table(curves, compared))


def _draw(title: str, curves: list[_Curve], compared: list[_Curve], log: bool) -> Figure:
    figure = Figure(figsize=(4.6, 4.2 if compared else 3), layout="constrained")
    heights = [3, 1] if compared else [1]
    axes = figure.subplots(len(heights), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for curve, hue, marker in zip(curves, _HUES, _MARKERS):
        for run, points in zip(curve.runs, curve.points):
            order = int(run.style == "tf2_style")
            _plot(axes[0], points, hue[order], marker, **_STROKES[order]).set_label(
                f"{curve.name}, {run.style}"
            )
    if log:
        axes[0].set_yscale("log")
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[0].yaxis.set_major_formatter("{x:g}")  # 0.2, where the default has a power of 10
        axes[0].minorticks_off()
    else:
        axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel(title.lower())
    if compared:
        for curve, (_, dark), marker in zip(compared, _HUES, _MARKERS):
            _plot(axes[1], curve.difference, dark, marker, linewidth=1.3, markersize=3.5)
        _finish_differences(axes[1], compared)
    axes[-1].set_xlabel("step")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, handlelength=3.5)
    return figure


def _plot(axes, points: dict[int, float], color: str, marker: str, **stroke):
    steps = sorted(points)
    every = -(-len(steps) // _MOST_MARKERS)
    values = [points[step] for step in steps]
    (line,) = axes.plot(steps, values, color=color, marker=marker, markevery=every, **stroke)
    return line


def _finish_differences(axes, compared: list[_Curve]) -> None:
    axes.set_ylabel("TF2 − TF1")
    if not any(any(curve.difference.values()) for curve in compared):
        axes.set_ylim(-1, 1)
        axes.set_yticks([0])
        axes.annotate("exactly 0 everywhere", (0.5, 0.68), xycoords="axes fraction", ha="center")


def _last(curve: _Curve) -> str:
    """Says where a curve begins and ends, for each style or for both."""
    texts = []
    for points in curve.points:
        first, last = min(points), max(points)
        texts.append(
            f"from {points[first]:.4g} at step {first:,} to {points[last]:.4g} at step {last:,}"
        )
    if len(texts) == 2 and texts[0] == texts[1]:
        return f"In both styles {curve.name} goes {texts[0]}."
    return " ".join(f"In {run.style} {curve.name} goes {t}." for run, t in zip(curve.runs, texts))


def _in_words(curve: _Curve) -> str:
    """Says how far the styles are apart."""
    difference = curve.difference
    step = max(difference, key=lambda step: abs(difference[step]))
    if difference[step] == 0:
        return f"The difference, {curve.name}, is exactly 0 at all {len(difference)} steps."
    return (
        f"The difference, {curve.name}, is largest at step {step:,}: tf2_style is "
        f"{difference[step]:+.3g} from tf1_style."
    )


def _table(curves: list[_Curve], compared: list[_Curve]) -> tuple[list[str], list[list[str]]]:
    """Returns the columns and rows of all numbers, as text."""
    columns = ["step"]
    numbers = []
    for curve in curves:
        columns += [f"{curve.name}, {run.style}" for run in curve.runs]
        numbers += curve.points
        if curve in compared:
            columns.append(f"{curve.name}, difference")
            numbers.append(curve.difference)
    steps = sorted(set().union(*numbers))
    rows = [
        [f"{step:,}", *(f"{points[step]:.6g}" if step in points else "" for points in numbers)]
        for step in steps
    ]
    return columns, rows
