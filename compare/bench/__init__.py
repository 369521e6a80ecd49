"""Measures the speed of both styles beside Keras, PyTorch, TensorFlow 1.15.5 and a lower bound.

    python -m compare bench
    python -m compare bench --quick

All programs train on the same examples and take turns: while one is measured, the others are
paused. So other load on the machine affects all of them alike. Writes bench.json, table.md and
bench.png to runs/bench. The results are ratios of medians; most of them have a threshold. Exit 1 if
a threshold is missed or a program of the project failed. If another program is not installed, its
row shows this.

It takes an estimated two hours on two cores and 16 GiB of memory, and needs an idle machine.
--model measures one model. --quick measures less and takes two minutes.
"""

import argparse
import os
import shlex
import signal
import sys
import time

from compare import options, tables
from compare.bench import drawing, measure, thresholds
from compare.bench.programs import MODELS, PRECISIONS
from shared import datasets, files, machine

PARTS = ("steps", "causes", "start", "memory", "logging", "recording", "long")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="take fewer measurements, in two minutes"
    )
    parser.add_argument(
        "--part",
        action="append",
        choices=PARTS,
        help="default: all. steps: milliseconds a step; causes: what makes a step slow or fast; "
        "start: seconds from the shell to the accuracy; memory: peak memory; logging: the time "
        "that all logging takes; recording: the time that parity's recording of every tenth step "
        "takes in programs that are not the project's; long: 20,000 steps of mnist_deep",
    )
    parser.add_argument(
        "--model",
        action="append",
        choices=MODELS,
        help="measure the steps of this model (default: all)",
    )
    parser.add_argument(
        "--precision",
        action="append",
        choices=PRECISIONS,
        help="measure the steps in this precision (default: both)",
    )
    parser.add_argument(
        "--rounds",
        type=options.at_least(1, 100),
        metavar="N",
        help="turns of each program (default: 5, with --quick 2)",
    )
    parser.add_argument(
        "--dataset", choices=datasets.NAMES, default="mnist", help="default: %(default)s"
    )
    parser.add_argument("--data_dir", default="", help="passed to the programs")
    parser.add_argument(
        "--device",
        help="passed to the programs: cpu, gpu or gpu:N (default: a GPU if there is one). The "
        "thresholds are for a CPU; on a GPU they are shown, and do not change the exit code",
    )
    parser.add_argument(
        "--output_dir", metavar="DIR", help="default: runs/bench, or runs/bench-quick"
    )


def main(arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))  # ends stopped programs
    console = tables.console()
    directory = options.output_dir(arguments, "bench")
    datasets.load(arguments.dataset, arguments.data_dir)  # fails now if the dataset is missing
    on_gpu = (arguments.device or "").startswith("gpu")
    found = {
        "command": shlex.join(["python", "-m", "compare", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "device": f"--device={arguments.device}" if on_gpu else machine.cpu(),
        "on_gpu": on_gpu,
        "rows": [],
        "causes": [],
    }
    for part in arguments.part or (("steps", "start") if arguments.quick else PARTS):
        getattr(measure, part)(arguments, found, console)
        with files.writing(directory):
            os.makedirs(directory, exist_ok=True)
            files.write_json(os.path.join(directory, "bench.json"), found)
    found["thresholds"] = thresholds.judged(found)
    files.write_json(os.path.join(directory, "bench.json"), found)
    shown = [
        thresholds.steps_table("Milliseconds a step", found["rows"]),
        thresholds.steps_table("What makes a step slow or fast", found["causes"]),
        thresholds.thresholds_table(found),
    ]
    shown = [table for table in shown if table.rows]
    tables.write_markdown(shown, found, directory)
    for table in shown:
        console.print(tables.rich(table))
    drawing.draw(found, os.path.join(directory, "bench.png"))
    console.print(f"written: {directory}", soft_wrap=True)
    return 0 if thresholds.none_failed(found) and (on_gpu or thresholds.all_met(found)) else 1
