"""Tests a network that was trained on handwriting with printed digits.

    python -m compare fonts runs/tf2_style/mnist_deep

Draws the ten digits in matplotlib's fonts. The program of the run then classifies each picture
(--predict). Prints the number of right answers for each font and draws all answers on one sheet.
Exit 1 if --style=both and the styles' answers differ.
"""

import argparse
import os
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compare import runner
from shared import datasets, files, outputs
from shared.console import UserError
from shared.runs import result

# Font names and file names. Matplotlib's fonts that contain only symbols are left out.
FONTS = {
    "DejaVu Sans": "DejaVuSans",
    "DejaVu Sans Bold": "DejaVuSans-Bold",
    "DejaVu Sans Oblique": "DejaVuSans-Oblique",
    "DejaVu Sans Mono": "DejaVuSansMono",
    "DejaVu Sans Mono Bold": "DejaVuSansMono-Bold",
    "DejaVu Serif": "DejaVuSerif",
    "DejaVu Serif Bold": "DejaVuSerif-Bold",
    "DejaVu Serif Italic": "DejaVuSerif-Italic",
    "STIX": "STIXGeneral",
    "STIX Bold": "STIXGeneralBol",
    "STIX Italic": "STIXGeneralItalic",
    "STIX Bold Italic": "STIXGeneralBolIta",
    "Computer Modern Roman": "cmr10",
    "Computer Modern Bold": "cmb10",
    "Computer Modern Italic": "cmti10",
    "Computer Modern Sans": "cmss10",
    "Computer Modern Typewriter": "cmtt10",
    "Computer Modern Old Style": "cmmi10",
}
DIGITS = range(datasets.CLASSES)

# What --predict prints for a picture, after its path.
_ANSWER = re.compile(r"(\d) \((\d+\.\d) %\)")

# The sheet's sizes in inches: the columns of names and of counts, a cell of one digit and its
# answer (width, height), the space above and below the cells, and the margin.
_NAMES, _COUNTS, _CELL, _HEAD, _FOOT, _MARGIN = 2.7, 1.0, (0.78, 0.9), 1.0, 0.2, 0.3
_WRONG = "#b22222"


@dataclass(frozen=True)
class Answer:
    """The class that the network chose for a picture, and its probability in percent."""

    digit: int
    percent: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder, of either style")
    parser.add_argument(
        "--style",
        choices=runner.STYLES_OF,
        help="the style of the program that classifies (default: the style of the run)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="the sheet, a PNG file (default: fonts.png in RUN)"
    )


def main(arguments: argparse.Namespace) -> int:
    output = arguments.output or os.path.join(arguments.run, "fonts.png")
    outputs.check(output, "picture", "--output")
    scripts = _scripts(arguments.run, arguments.style)
    with tempfile.TemporaryDirectory() as folder:
        paths = _draw_digits(folder)
        each = [_ask(script, arguments.run, paths, folder) for script in scripts]
    answers, name = each[0], f"{scripts[0].parent.name}/{scripts[0].stem}"
    with files.writing(output):
        os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
        with files.replacing(output) as file:
            _sheet(answers, name).savefig(file, format="png", metadata=outputs.PNG_TEXT)
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False, markup=False)
    console.print(_table(answers, name))
    console.print(f"sheet: {output}", soft_wrap=True)
    if len(each) < 2:
        return 0
    is_same = each[0] == each[1]
    console.print(f"both styles give {'the same' if is_same else 'different'} answers")
    return 0 if is_same else 1


def _scripts(run_dir: str, style: str | None) -> list[Path]:
    """Returns the program of a run in the styles that are asked for, by default the run's own."""
    found = result.read(run_dir, "name the folder of a run")
    name, own = found["script"], found["style"]
    if name not in runner.programs():
        raise UserError(f"{run_dir}: a run of {name}, expected one of this project's programs")
    styles = runner.STYLES_OF[style] if style else [own]
    return [runner.ROOT / style / f"{name}.py" for style in styles]


def _draw_digits(folder: str) -> list[str]:
    """Draws a picture of each digit in each font; returns their paths, font by font."""
    from matplotlib.figure import Figure

    paths = []
    for file in FONTS.values():
        for digit in DIGITS:
            figure = Figure(figsize=(1.5, 1.5))
            place = {"ha": "center", "va": "center", "fontsize": 72}
            figure.text(0.5, 0.5, str(digit), font=_font(file), **place)
            paths.append(os.path.join(folder, f"{file}-{digit}.png"))
            figure.savefig(paths[-1])
    return paths


def _font(file: str) -> Path:
    import matplotlib as mpl

    return Path(mpl.get_data_path(), "fonts", "ttf", f"{file}.ttf")


def _ask(script: Path, run_dir: str, paths: list[str], folder: str) -> dict[str, list[Answer]]:
    """Runs a program that classifies the pictures; returns the answers by font."""
    output = os.path.join(folder, "answers.txt")
    command = [sys.executable, str(script), f"--run_dir={run_dir}", "--predict", *paths]
    line = f"{shlex.join(command)} > {shlex.quote(output)}"
    outcome = runner.run(line, None)
    if outcome.exit_code:
        raise UserError(outcome.error or f"{script} ended with exit code {outcome.exit_code}")
    lines = dict(line.rpartition(": ")[::2] for line in Path(output).read_text().splitlines())
    matches = (_ANSWER.fullmatch(lines[path]) for path in paths)
    answers = (Answer(int(match[1]), float(match[2])) for match in matches)
    return {font: [next(answers) for _ in DIGITS] for font in FONTS}


def _right(answers: list[Answer]) -> int:
    return sum(answer.digit == digit for digit, answer in zip(DIGITS, answers))


def _table(answers: dict[str, list[Answer]], name: str) -> Table:
    table = Table(title=f"Printed digits, classified by {name}")
    table.add_column("font")
    table.add_column("right of 10", justify="right")
    table.add_column("mistakes")
    for font, row in answers.items():
        mistakes = [
            f"{digit} as {answer.digit}"
            for digit, answer in zip(DIGITS, row)
            if answer.digit != digit
        ]
        table.add_row(font, str(_right(row)), ", ".join(mistakes) or "-")
    table.add_section()
    total = sum(map(_right, answers.values()))
    table.add_row("total", f"{total} of {len(FONTS) * len(DIGITS)}")
    return table


def _sheet(answers: dict[str, list[Answer]], name: str):
    """Draws every digit with the answer below it, one row for each font.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    width = _NAMES + len(DIGITS) * _CELL[0] + _COUNTS
    height = _HEAD + len(answers) * _CELL[1] + _FOOT
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    total = sum(map(_right, answers.values()))
    title = f"{name} on printed digits: {total} of {len(answers) * len(DIGITS)} digits right"
    axes.text(_MARGIN, 0.38, title, fontsize=15, weight="bold", va="center")
    legend = "Below each digit: the answer and its probability. Mistakes have a frame and a cross."
    axes.text(_MARGIN, 0.72, legend, fontsize=10, va="center")
    for number, (font, row) in enumerate(answers.items()):
        top = _HEAD + number * _CELL[1]
        line = {"y": top + 0.4, "fontsize": 11, "va": "center"}
        axes.text(_MARGIN, s=font, **line)
        axes.text(width - _MARGIN, s=f"{_right(row)} of {len(row)}", ha="right", **line)
        for digit, answer in zip(DIGITS, row):
            _cell(axes, _NAMES + digit * _CELL[0], top, digit, answer, FONTS[font])
    return figure


def _cell(axes, left: float, top: float, digit: int, answer: Answer, file: str) -> None:
    """Draws one digit and its answer; its corner is at `left` and `top`, in inches."""
    from matplotlib.patches import Rectangle

    middle, text = left + _CELL[0] / 2, f"{answer.digit}  {answer.percent:.0f} %"
    axes.text(middle, top + 0.5, str(digit), font=_font(file), fontsize=34, ha="center")
    if answer.digit == digit:
        axes.text(middle, top + 0.8, text, fontsize=8, ha="center")
        return
    axes.text(middle, top + 0.8, f"✗ {text}", fontsize=8, ha="center", color=_WRONG, weight="bold")
    corner, size = (left + 0.02, top + 0.02), (_CELL[0] - 0.04, _CELL[1] - 0.04)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=_WRONG, linewidth=1.5))
