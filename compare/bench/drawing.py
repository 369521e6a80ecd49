"""The picture of the benchmark: the time of each program."""

import os

import numpy as np

from compare import drawing
from compare.bench import programs
from shared import repair


def draw(found: dict, path: str) -> None:
    """Draws one panel for each model and precision; models without other programs are left out."""
    panels = {}
    for row in found["rows"]:
        if row["model"] in programs.WITH_PEERS and row["milliseconds"]:
            panels.setdefault((row["model"], row["precision"]), []).append(row)
    if not panels:
        if os.path.exists(path):  # from an earlier benchmark
            repair.remove(path)
        return
    sizes = [len(rows) + 1 for rows in panels.values()]
    with drawing.picture(path, 7, 0.25 * sum(sizes) + 0.5 * len(sizes)) as figure:
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=sizes)[:, 0]
        for ax, ((model, precision), rows) in zip(axes, panels.items()):
            _panel(ax, f"{model}, {precision}", rows)
        axes[-1].set_xlabel("milliseconds a step: median, lowest and highest")


def _panel(ax, title: str, rows: list[dict]) -> None:
    ax.set_title(title, loc="left")
    for place, row in enumerate(rows):
        times = row["milliseconds"]
        middle = np.median(times)
        color = drawing.COLORS[0] if row["is_ours"] else "#aaaaaa"
        if row["program"] == programs.LIMIT:
            color = drawing.COLORS[1]
        ax.barh(place, middle, color=color, height=0.7)
        ax.plot([min(times), max(times)], [place, place], color="black", linewidth=1)
        ax.annotate(
            f"{middle:.3g}", (max(times), place), (4, 0), textcoords="offset points", va="center"
        )
    ax.set_yticks(range(len(rows)), [row["program"] for row in rows])
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    ax.set_xlim(left=0)
