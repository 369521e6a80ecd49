"""python -m compare COMMAND: runs twins as shell commands and judges them."""

import argparse
import sys

from compare import accuracy
from shared.console import UserError, one_line_errors

COMMANDS = {"accuracy": accuracy}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UserError(f"{message} ({self.prog} --help lists all options)")


def main(argv: list[str]) -> int:
    parser = _Parser(prog="python -m compare", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, module in COMMANDS.items():
        description, _, _ = module.__doc__.partition("\n")
        command = commands.add_parser(name, help=description, description=module.__doc__)
        module.add_arguments(command)
    arguments = parser.parse_args(argv)
    return COMMANDS[arguments.command].main(arguments)


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main(sys.argv[1:]))
