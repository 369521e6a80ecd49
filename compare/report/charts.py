"""Draws curves as SVG for light and for dark pages, with their numbers in words and in a table."""

import base64
import io
import re
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from compare.reading import CompleteRun
from compare.report import words

# The colours of a chart on a light and on a dark page, after Okabe and Ito's palette for the
# colour-blind. Each line has a contrast of at least 3 to the page, and the narrow line also to the
# wide line below it. page.html repeats the colours of the page, the text and the grid.
_COLORS = {
    "page": ("#ffffff", "#15181b"),
    "text": ("#1a1a1a", "#e6e6e6"),
    "grid": ("#dddddd", "#3a3f44"),
    "wide-1": ("#3897d3", "#2878ad"),
    "narrow-1": ("#00304d", "#c2e4ff"),
    "wide-2": ("#c98500", "#a86a00"),
    "narrow-2": ("#522700", "#ffe0b0"),
}
# For each quantity: the colours of TF1's wide line and of TF2's narrow line on it. In black and
# white the markers distinguish the quantities.
_HUES = [[_COLORS[f"{line}-{number}"][0] for line in ("wide", "narrow")] for number in (1, 2)]
_MARKERS = ("o", "s")
# By style: a wide line, and a narrow dashed line on it. Both are visible where they coincide.
_STROKES = (
    {"linewidth": 5.5, "markersize": 9},
    {"linewidth": 1.4, "markersize": 3.5, "linestyle": (0, (4, 2))},
)
_MOST_MARKERS = 12  # on a curve
_SETTINGS = {
    "svg.fonttype": "none",  # text as text: smaller, and in the reader's own font
    "svg.hashsalt": "tf-twins",  # without it the ids, and so the file, would change with each call
    "font.sans-serif": ["DejaVu Sans"],  # one name: the file repeats it for each text
    "font.size": 9.5,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), _COLORS["text"][0]),
    **dict.fromkeys(("xtick.color", "ytick.color"), _COLORS["text"][0]),
    "grid.color": _COLORS["grid"][0],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
}


@dataclass(frozen=True)
class Chart:
    """A drawing, and its content for readers who cannot see it.

    Attributes
    ----------
    source : the drawing as a data: URI. Its colours follow the page, light or dark.
    text : a description of the drawing, in sentences.
    columns, rows : all numbers, as text.
    """

    title: str
    source: str
    text: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class _Curve:
    """One quantity in all runs; `runs` and `points` go together."""

    name: str
    runs: list[CompleteRun]
    points: list[dict[int, float]]  # by step

    @property
    def is_same(self) -> bool:
        """Whether both styles have the same numbers at the same steps."""
        return len(self.points) == 2 and self.points[0] == self.points[1]

    @property
    def difference(self) -> dict[int, float]:
        """The second style's number minus the first's, at the steps that both have."""
        if len(self.points) < 2:
            return {}
        first, second = self.points
        return {step: second[step] - first[step] for step in first if step in second}


def learning_curves(runs: list[CompleteRun]) -> list[Chart]:
    """Returns the charts of loss and accuracy, for the values that the runs logged."""
    losses = {"loss/training": "training", "loss/validation": "validation"}
    accuracies = {"accuracy/training": "training", "accuracy/validation": "validation"}
    charts = [_chart("Loss", runs, losses, log=True), _chart("Accuracy", runs, accuracies)]
    return [chart for chart in charts if chart]


def speed(runs: list[CompleteRun]) -> Chart | None:
    """Returns the chart of the steps per second; None if no run logged it twice.

    It draws no difference of the styles, because no two runs have the same speed.
    """
    tag = "steps_per_second"
    if not any(len(run.scalars.get(tag, ())) > 1 for run in runs):
        return None
    return _chart("Steps per second", runs, {tag: "steps/s"}, compare=False)


def _chart(
    title: str,
    runs: list[CompleteRun],
    tags: dict[str, str],
    log: bool = False,
    compare: bool = True,
) -> Chart | None:
    """Draws one chart.

    Parameters
    ----------
    tags : the names of curves by their tags in the summaries, two at most.
    log : whether the scale is logarithmic; otherwise it begins at 0.
    compare : whether to draw the difference of the styles below, if there are two.
    """
    curves = []
    for tag, name in tags.items():
        logged = [run for run in runs if tag in run.scalars]
        if logged:
            curves.append(_Curve(name, logged, [run.scalars[tag] for run in logged]))
    if not curves:
        return None
    compared = [curve for curve in curves if compare and curve.difference]
    scale = ", on a logarithmic scale" if log else ""
    texts = [f"{title} by step{scale}."]
    texts += [_course(curve) for curve in curves]
    texts += [_largest_difference(curve) for curve in compared]
    with mpl.rc_context(_SETTINGS):
        source = _uri(_draw(title, curves, compared, log))
    return Chart(title, source, " ".join(texts), *_table(curves, compared))


def _draw(title: str, curves: list[_Curve], compared: list[_Curve], log: bool) -> Figure:
    figure = Figure(figsize=(4.5, 4.2 if compared else 3), layout="constrained")
    heights = [3, 1] if compared else [1]
    axes = figure.subplots(len(heights), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for curve, hues, marker in zip(curves, _HUES, _MARKERS):
        for run, points in zip(curve.runs, curve.points):
            order = int(run.style == "tf2_style")
            line = _plot(axes[0], points, hues[order], marker, **_STROKES[order])
            line.set_label(f"{curve.name}, {run.style}")
    if log:
        axes[0].set_yscale("log")
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[0].yaxis.set_major_formatter("{x:g}")  # 0.2, where the default has a power of 10
        axes[0].minorticks_off()
    else:
        axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel(title.lower())
    if compared:
        for curve, (_, narrow), marker in zip(compared, _HUES, _MARKERS):
            _plot(axes[1], curve.difference, narrow, marker, linewidth=1.3, markersize=3.5)
        _finish_differences(axes[1], compared)
    axes[-1].set_xlabel("step")
    axes[-1].xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    figure.legend(loc="outside upper center", ncols=2, frameon=False, handlelength=3.5)
    return figure


def _plot(axes, points: dict[int, float], color: str, marker: str, **stroke):
    steps = sorted(points)
    every = -(-len(steps) // _MOST_MARKERS)
    numbers = [points[step] for step in steps]
    (line,) = axes.plot(steps, numbers, color=color, marker=marker, markevery=every, **stroke)
    return line


def _finish_differences(axes, compared: list[_Curve]) -> None:
    axes.set_ylabel("TF2 − TF1")
    if not any(any(curve.difference.values()) for curve in compared):
        axes.set_ylim(-1, 1)
        axes.set_yticks([0])
        axes.annotate("exactly 0 everywhere", (0.5, 0.68), xycoords="axes fraction", ha="center")


def _uri(figure: Figure) -> str:
    """Returns a figure as SVG in a data: URI; its colours become variables that follow the page."""
    file = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    svg = re.sub(r"\n\s*", " ", file.getvalue().decode())
    for name, (light, _) in _COLORS.items():
        svg = svg.replace(light, f"var(--{name})")
    light, dark = (
        ":root {" + "".join(f"--{name}: {colors[i]};" for name, colors in _COLORS.items()) + "}"
        for i in (0, 1)
    )
    style = f"{light} @media (prefers-color-scheme: dark) {{ {dark} }} </style>"
    svg = svg.replace("</style>", style, 1)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _course(curve: _Curve) -> str:
    """Says at which values a curve begins and ends, for each style or for both."""
    texts = []
    for points in curve.points:
        first, last = min(points), max(points)
        texts.append(
            f"from {points[first]:.4g} at step {first:,} to {points[last]:.4g} at step {last:,}"
        )
    if len(texts) == 2 and texts[0] == texts[1]:
        return f"In both styles {curve.name} goes {texts[0]}."
    return " ".join(f"In {run.style} {curve.name} goes {t}." for run, t in zip(curve.runs, texts))


def _largest_difference(curve: _Curve) -> str:
    """Says how much the styles differ at most, and at which steps; names all steps of a tie."""
    sizes = {step: abs(number) for step, number in curve.difference.items()}
    largest = max(sizes.values())
    if largest == 0:
        return f"The difference in {curve.name} is exactly 0 at all {len(sizes)} steps."
    steps = sorted(step for step, size in sizes.items() if size == largest)
    places = words.some([f"{step:,}" for step in steps], "others")
    if len(steps) > 1:
        return f"The largest difference in {curve.name} is {largest:.3g}, at steps {places}."
    sign = "above" if curve.difference[steps[0]] > 0 else "below"
    return (
        f"The largest difference in {curve.name} is at step {places}: tf2_style is {largest:.3g} "
        f"{sign} tf1_style."
    )


def _table(curves: list[_Curve], compared: list[_Curve]) -> tuple[list[str], list[list[str]]]:
    """Returns the columns and rows of all numbers, as text; equal columns are one."""
    columns = ["step"]
    numbers = []
    for curve in curves:
        if curve.is_same:
            columns.append(f"{curve.name}, both styles")
            numbers.append(curve.points[0])
            continue
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
