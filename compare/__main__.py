"""Runs programs as shell commands and checks their results."""

import argparse
import sys

from compare import (
    accuracy,
    bench,
    checkpoint,
    cluster,
    explain,
    fonts,
    parity,
    report,
    results,
)
from compare.experiments import crossval, ensemble, ladder, sweep, tune
from shared import outputs
from shared.console import UserError, one_line_errors

COMMANDS = {
    "accuracy": accuracy,
    "bench": bench,
    "checkpoint": checkpoint,
    "cluster": cluster,
    "crossval": crossval,
    "ensemble": ensemble,
    "explain": explain,
    "fonts": fonts,
    "ladder": ladder,
    "parity": parity,
    "report": report,
    "results": results,
    "sweep": sweep,
    "tune": tune,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UserError(f"{message} ({self.prog} --help lists all options)")


def main(argv: list[str]) -> int:
    parser = _Parser(prog="python -m compare", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, module in COMMANDS.items():
        description, _, _ = module.__doc__.partition("\n")
        command = commands.add_parser(
            name,
            help=description.replace("%", "%%"),
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
    outputs.check_texts(argv)
    arguments, flags = parser.parse_known_args(argv)
    module = COMMANDS[arguments.command]
    if hasattr(module, "TAKES_PROGRAM_FLAGS"):
        return module.main(arguments, flags)
    if flags:
        raise UserError(
            f"unexpected {' '.join(flags)} (python -m compare {arguments.command} --help lists all "
            "options)"
        )
    return module.main(arguments)


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main(sys.argv[1:]))
