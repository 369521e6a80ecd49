"""Measures the twins' speed beside Keras, PyTorch, TensorFlow 1.15.5 and the machine's own limit.

    python -m compare bench
    python -m compare bench --quick

All programs do the same steps on the same examples, and take turns: each is stopped while another
is measured, so that what else goes on hits them all. Leaves bench.json, table.md and bench.png in
runs/bench. What counts are ratios of medians; most of them have a bar. Exit 1 if one is missed or
one of the twins failed; a peer that is not installed is a row that says so.

It takes about 45 minutes on two cores and 10 GiB of memory, and wants the machine to itself;
--quick has fewer programs and parts, and is done in two minutes.
"""

import argparse
import os
import shlex
import signal
import sys
import time

from compare.bench import bars, drawing, measure
from compare.bench.programs import MODELS, PRECISIONS
from compare.experiments import cases, tables
from shared import datasets, files, machine

PARTS = ("steps", "causes", "start", "memory", "logging", "long")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="a part of it, in two minutes")
    parser.add_argument(
        "--part",
        action="append",
        choices=PARTS,
        help="default: all. steps: milliseconds a step; causes: what makes one slow or fast; "
        "start: from the shell to the accuracy; memory: at its peak; logging: all of it on and "
        "off; long: 20,000 steps of mnist_deep",
    )
    parser.add_argument("--model", action="append", choices=MODELS, help="of the steps; all")
    parser.add_argument("--precision", action="append", choices=PRECISIONS, help="likewise; both")
    parser.add_argument(
        "--rounds", type=cases.at_least(1, 100), metavar="N", help="default: 5, with --quick 2"
    )
    parser.add_argument("--dataset", choices=datasets.NAMES, default="mnist")
    parser.add_argument("--data_dir", default="", help="handed on to the programs")
    parser.add_argument("--output", metavar="DIR", help="default: runs/bench, or runs/bench-quick")


def main(arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))  # or programs stay, stopped
    console = tables.console()
    directory = cases.output(arguments, "bench")
    datasets.load(arguments.dataset, arguments.data_dir)  # at hand from here on
    found = {
        "command": shlex.join(["python", "-m", "compare", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "device": machine.cpu(),
        "rows": [],
        "causes": [],
    }
    for part in arguments.part or (("steps", "start") if arguments.quick else PARTS):
        getattr(measure, part)(arguments, found, console)
        with files.writing(directory):
            os.makedirs(directory, exist_ok=True)
            files.write_json(os.path.join(directory, "bench.json"), found)
    found["bars"] = bars.judged(found)
    files.write_json(os.path.join(directory, "bench.json"), found)
    shown = [
        bars.steps_table("Milliseconds a step", found["rows"]),
        bars.steps_table("What makes a step slow or fast", found["causes"]),
        bars.bars_table(found),
    ]
    shown = [table for table in shown if table.rows]
    tables.write_markdown(shown, found, directory)
    for table in shown:
        console.print(tables.rich(table))
    drawing.draw(found, os.path.join(directory, "bench.png"))
    console.print(f"written: {directory}", soft_wrap=True)
    return 0 if bars.is_good(found) else 1
