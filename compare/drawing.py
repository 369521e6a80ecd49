"""The size, style, colours and legend of all pictures."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shared import files, outputs

# Okabe and Ito's colours, which the colour-blind can distinguish; without yellow, which is faint on
# white. In black and white the markers distinguish the cases.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#000000", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_SETTINGS = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}


@contextmanager
def picture(path: str, width: float, height: float) -> Iterator:
    """Yields a figure of a size in inches, and writes it as a PNG file at the end."""
    # Imported here, so that the other commands do not need matplotlib.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        with files.writing(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with files.replacing(path) as file:
                figure.savefig(file, format="png", dpi=150, metadata=outputs.PNG_TEXT)


def legend(figure, axes) -> None:
    """Draws the legend below the axes, each label once."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles))
    columns = int(figure.get_figwidth() // 2.5)  # so that the longest labels have room
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=columns)
