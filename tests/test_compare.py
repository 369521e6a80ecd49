"""`python -m compare`: its help, and what all its commands have in common."""

import re

import pytest

from compare.__main__ import COMMANDS, main
from compare.runner import STYLES_OF
from shared.console import UserError

HELP = [[], *([name] for name in COMMANDS), ["checkpoint", "show"], ["checkpoint", "convert"]]


def help_of(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help(command, capsys):
    text = help_of(command, capsys)
    assert text.startswith(" ".join(["usage: python -m compare", *command]))
    # Each option says what it does.
    options = re.findall(r"^  (--?\w[^\n]*(?:\n {3,}[^\n]*)*)", text, re.MULTILINE)
    assert options and all(re.search(r"\s{2,}\w", option) for option in options), options
    assert "%(" not in text and "%%" not in text


def test_help_lists_every_command(capsys):
    text = help_of([], capsys)
    for name, module in COMMANDS.items():
        first_line = module.__doc__.partition("\n")[0].split()
        assert f"{name} {first_line[0]}" in " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_names_of_shared_options(name, capsys):
    """A style is tf1, tf2 or both; --output is a file, --output_dir a folder."""
    text = " ".join(help_of([name], capsys).split())
    if "--style" in text:
        assert f"--style {{{','.join(STYLES_OF)}}}" in text
    assert "--output FILE" in text or "--output " not in text
    assert "--output_dir DIR" in text or "--output_dir " not in text


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([], "the following arguments are required: command"),
        (["typo"], "invalid choice: 'typo'"),
        (["bench", "--output=x"], "unexpected --output=x"),
        (["sweep", "losses", "--style=tf1_style"], "invalid choice: 'tf1_style'"),
    ],
)
def test_wrong_commands(command, message):
    with pytest.raises(UserError, match=message):
        main(command)
