"""Writes one HTML file about runs: verdicts, curves, mistakes and sources, side by side.

    python -m compare report runs/tf1_style/mnist_deep runs/tf2_style/mnist_deep

The file holds all it shows, so that it can be sent to a colleague and opened from disk. Runs of the
same script are paired, the first of each style; one without its twin is shown alone.
"""

import argparse
import os
import shlex
from pathlib import Path

from shared import files

OUTPUT = os.path.join("runs", "report.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="the folder of a complete run, of either style"
    )
    parser.add_argument(
        "--output", default=OUTPUT, metavar="FILE", help="what to write (default: %(default)s)"
    )


def main(arguments: argparse.Namespace) -> int:
    write(arguments.runs, arguments.output)
    print(arguments.output)
    return 0


def write(run_dirs: list[str], path: str) -> None:
    """Writes the report of some runs.

    Parameters
    ----------
    run_dirs : the folders of complete runs, of any scripts and either style.
    path : of the HTML file, written whole or not at all; its folder is made.

    Raises
    ------
    UserError : a folder is not that of a complete run, or the file cannot be written.
    """
    page = _page(run_dirs, path).encode(errors="backslashreplace")  # for names that are not UTF-8
    with files.writing(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with files.replacing(path) as file:
            file.write(page)


def _page(run_dirs: list[str], path: str) -> str:
    # Here, so that the other commands do without jinja2, pygments and matplotlib.
    import jinja2

    from compare.report import charts, guide, pairs, reading, sources

    runs = [reading.read(directory) for directory in run_dirs]
    found = pairs.pair_up(runs)
    names = dict.fromkeys([*(pair.script for pair in found), *sources.MACHINERY])
    sides = [side for side in map(sources.side_by_side, names) if side]
    entries = guide.link(sides, guide.entries())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html").render(
        pairs=found,
        sides=sides,
        opened={*(pair.script for pair in found), "trainer"},
        entries=[(entry, guide.render(entry, sides)) for entry in entries],
        learning_curves=charts.learning_curves,
        speed=charts.speed,
        command=shlex.join(["python", "-m", "compare", "report", *run_dirs, f"--output={path}"]),
    )
