"""Command-line options that several commands share."""

import argparse
import os
import re
from collections.abc import Callable

from shared import outputs


def at_least(lowest: int, highest: int = 10**6) -> Callable[[str], int]:
    """Returns an argparse type: an integer from `lowest` to `highest`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(
                f"got {text!r}, expected a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse


def output_dir(arguments: argparse.Namespace, name: str) -> str:
    """Returns the experiment's folder; a quick one has its own, as its runs differ.

    Raises
    ------
    UserError : the folder holds files of the user under names that the experiment writes.
    """
    directory = arguments.output_dir or os.path.join(
        "runs", name + ("-quick" if arguments.quick else "")
    )
    outputs.check_experiment(directory, name)
    return directory
