"""Writes one HTML file about runs: verdicts, curves, mistakes and sources of both styles.

    python -m compare report runs/tf1_style/mnist_deep runs/tf2_style/mnist_deep

The file needs no other file and no network. Runs of the same script are paired in order: the first
run of one style with the first run of the other. A run without a twin is shown alone.
"""

import argparse
import os
from pathlib import Path

from shared import files, outputs

OUTPUT = os.path.join("runs", "report.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a complete run, of either style"
    )
    parser.add_argument(
        "--output", default=OUTPUT, metavar="FILE", help="HTML file to write (default: %(default)s)"
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
    path : the path of the HTML file. It is written whole or not at all. Its folder is created.

    Raises
    ------
    UserError : a folder does not hold a complete run, or the file cannot be written.
    """
    outputs.check(path, "report", "--output")
    page = _page(run_dirs, path).encode(errors="backslashreplace")  # because names may not be UTF-8
    with files.writing(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with files.replacing(path) as file:
            file.write(page)


def _page(run_dirs: list[str], path: str) -> str:
    # Imported here, so that the other commands need no jinja2, pygments and matplotlib.
    import jinja2

    from compare import reading
    from compare.report import charts, commands, guide, pairs, sources

    runs = [reading.read(directory) for directory in run_dirs]
    found = pairs.pair_up(runs)
    sides = [sources.side_by_side(name) for name in sources.names()]
    entries = guide.link(sides, guide.entries())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("page.html").render(
        pairs=found,
        sides=sides,
        opened={pair.script for pair in found},
        targets=set().union(*(entry.targets for entry in entries)),
        entries=[(entry, guide.render(entry, sides)) for entry in entries],
        learning_curves=charts.learning_curves,
        speed=charts.speed,
        command=commands.of_report(run_dirs, path, default=OUTPUT),
    )
    return page.lstrip()
