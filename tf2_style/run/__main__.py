"""Runs a TensorFlow 2 program, unchanged, and records its steps.

    python -m tf2_style.run --trace=FILE [options] new.py [arguments of the program]

XLA is switched off, because a compiled step cannot be watched. Exits as the program does.
"""

import argparse
import os
import runpy
import sys

from shared import recorder
from shared.console import UserError, quiet_import


def main(arguments):
    options = _options(arguments)
    try:
        watching = recorder.of_arguments(options)
        if not os.path.isfile(options.program):
            raise UserError(f"{options.program}: no such file; expected a Python program")
    except UserError as error:
        print(f"tf2_style.run: {error}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [options.program, *options.arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(options.program))
    if watching:
        with quiet_import(needs_keras=True):
            from tf2_style.run import recording

            recording.install(watching)
    runpy.run_path(options.program, run_name="__main__")


def _options(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m tf2_style.run",
        description="Runs a TensorFlow 2 program, unchanged, and records its steps.",
        usage="%(prog)s --trace=FILE [options] new.py [arguments ...]",
    )
    recorder.add_arguments(parser)
    parser.add_argument("program", help="the program's file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own arguments")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
