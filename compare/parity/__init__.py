"""Compares two programs step by step and names the first step at which they differ.

    python -m compare parity mnist_deep --max_steps=1000     both styles; both get the flags
    python -m compare parity --reference 'python old.py' --candidate 'python new.py'
    python -m compare parity old.py new.py                   two programs, neither of them edited
    python -m compare parity frozen.pb new.py                a graph stands for the old program
    python -m compare parity old.npz new.npz                 two traces, or two run folders

Two programs (old.py new.py) are recorded as they are. For --reference and --candidate, each needs
two lines that record its loss and its variables with shared.trace.Trace. If the programs differ,
parity runs both again and records more around that step. Exit 0 if they agree, 1 if
not, 2 if a program fails.
"""

import argparse
import math
import os
import sys

from rich.console import Console

from compare.parity import (
    first_difference,
    graphs,
    names,
    narrowing,
    page,
    programs,
    strangers,
    suggestions,
    verdict,
)
from compare.parity.distances import Tolerance
from compare.parity.programs import Side
from compare.parity.verdict import of_runs, sentences
from shared import files, outputs, runs, trace
from shared.console import UserError

__all__ = ["add_arguments", "main", "of_runs", "sentences"]
TAKES_PROGRAM_FLAGS = True  # unknown flags go to both programs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="*",
        help="a program of the project, such as mnist_deep; or two programs, 'old.py --its=flags' "
        "new.py, where a frozen graph, a .meta file or a SavedModel may stand for old.py; or two "
        "traces, as files or run folders",
    )
    parser.add_argument("--reference", metavar="CMD", help="command line of the trusted program")
    parser.add_argument("--candidate", metavar="CMD", help="command line of the program to check")
    parser.add_argument(
        "--map",
        metavar="FILE",
        help="file of changed names. Each line holds a regular expression for a whole name "
        "of the reference, then the candidate's name, in which \\1 stands for the first group. The "
        "first line that matches counts. # starts a comment",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=20,
        metavar="N",
        help="two programs (old.py new.py): compare the first N steps (default: 20); take "
        "some after the learning rate first changes",
    )
    parser.add_argument(
        "--weights",
        choices=("reference", "own"),
        default="reference",
        help="two programs: start the candidate from the reference's weights, or from its own "
        "(default: reference)",
    )
    parser.add_argument(
        "--random",
        choices=("aligned", "off", "own"),
        default="aligned",
        help="two programs: the noise of dropout is the same in both, there is no dropout, or each "
        "has its own (default: aligned)",
    )
    parser.add_argument(
        "--batches",
        choices=("own", "reference"),
        default="own",
        help="two programs: the candidate reads its own batches, or is fed the reference's, where "
        "its step takes arrays or a dataset (default: own)",
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="two programs: exit 1 if they agree only within rounding",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="two programs: write a page with both sources, the two lines and the differences",
    )
    parser.add_argument(
        "--log_dir",
        metavar="DIR",
        help="two programs: write both graphs for TensorBoard; in colours by device, operations "
        "that agree and the first that does not are told apart",
    )
    parser.add_argument(
        "--suggest",
        action="store_true",
        help="two programs: print the change that mends the named line, if it is of a known kind",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="two programs: where to write parity.json (default: beside the report, else in the "
        "result's folder)",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="record every N steps (default: 1)"
    )
    parser.add_argument(
        "--atol",
        type=float,
        default=0.0,
        help="not with two programs: allowed absolute difference (default: 0)",
    )
    parser.add_argument(
        "--rtol",
        type=float,
        default=0.0,
        help="not with two programs: allowed difference, relative to the reference (default: 0)",
    )
    parser.add_argument(
        "--ulp",
        type=int,
        default=0,
        help="not with two programs: allowed difference in units in the last place (default: 0)",
    )


def main(arguments: argparse.Namespace, flags: list[str]) -> int:
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    tolerance = Tolerance(arguments.atol, arguments.rtol, arguments.ulp)
    if not all(0 <= value < math.inf for value in vars(tolerance).values()) or arguments.every < 1:
        raise UserError(
            f"got {tolerance or f'--every={arguments.every}'}; expected --atol, --rtol and --ulp "
            "of at least 0, and --every of at least 1"
        )
    renaming = names.Renaming(arguments.map)
    if strangers.is_pair(arguments.what) and not flags:
        return _compare_strangers(console, arguments, renaming)
    _refuse_options(arguments)
    sides = _sides(arguments, flags)
    folder = None
    if sides[0].command:
        folder = runs.new_directory("runs", "parity", "_".join(arguments.what) or "commands")
        pair = [
            programs.record(console, side, folder, "trace", every=arguments.every) for side in sides
        ]
    else:
        pair = [trace.load(verdict.trace_in(path)) for path in arguments.what]
    faults = [side.fault for side in sides if side.fault]
    try:
        comparison = first_difference.compare(*pair, renaming, tolerance)
    except UserError as error:  # a program that failed has recorded little
        raise UserError("; ".join([*faults, str(error)])) from None
    if comparison.first_difference and folder:
        pair, comparison = narrowing.narrow(console, sides, folder, pair, comparison, renaming)
    comparison.faults += [side.fault for side in sides if side.fault]
    report = verdict.report([side.title for side in sides], pair, comparison)
    if folder:
        files.write_json(os.path.join(folder, "parity.json"), report)
    verdict.show(console, report)
    return 0 if comparison.is_same else 1


def _compare_strangers(console: Console, arguments: argparse.Namespace, renaming) -> int:
    if arguments.steps < 1:
        raise UserError(f"--steps={arguments.steps}: expected at least 1")
    output = arguments.output
    if arguments.report:
        page.check(arguments.report)
        output = output or os.path.join(os.path.dirname(arguments.report), "parity.json")
    if arguments.log_dir:
        graphs.check(arguments.log_dir)
    if output:
        outputs.check(output, "verdict", "--output")
    folder = runs.new_directory("runs", "parity", "programs")
    output = output or os.path.join(folder, "parity.json")
    report = strangers.compare(console, arguments.what, folder, renaming, arguments)
    with files.writing(output):
        os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
        files.write_json(output, report)
    strangers.write_map(os.path.join(folder, "map.txt"), report)
    strangers.show(console, report, folder)
    if arguments.suggest and report["verdict"] == first_difference.DIFFERENT:
        for line in suggestions.shown(report["suggestion"]):
            console.print(line, soft_wrap=True)
    agree = [first_difference.IDENTICAL] + [strangers.WITHIN] * (not arguments.exact)
    return 0 if report["verdict"] in agree else 1


def _refuse_options(arguments: argparse.Namespace) -> None:
    """Refuses the options that need two programs, where there are none."""
    for name in ("report", "log_dir", "suggest", "output"):
        if getattr(arguments, name):
            raise UserError(f"--{name}: expected with it two programs, such as old.py new.py")


def _sides(arguments: argparse.Namespace, flags: list[str]) -> list[Side]:
    """Returns the two programs, or recordings, that the command line names."""
    commands = [arguments.reference, arguments.candidate]
    if any(commands):
        if not all(commands) or arguments.what or flags:
            raise UserError(
                "expected --reference and --candidate together, without a program's name or flags"
            )
        return [Side(name, command, command) for name, command in zip(programs.NAMES, commands)]
    if len(arguments.what) == 2 and not flags:
        return [Side(name, "", path) for name, path in zip(programs.NAMES, arguments.what)]
    if len(arguments.what) != 1:
        raise UserError(
            "expected one program of the project (flags are --name=value), two traces, or "
            f"--reference and --candidate; got {' '.join(arguments.what + flags) or 'nothing'}"
        )
    return programs.of_twins(arguments.what[0], flags)
