"""The README and the pages of docs/ have links that lead somewhere and commands that exist."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT
from test_guide import HEADING, TOPICS, slug, without_code

import compare.__main__ as compare_command
from shared import flags
from shared.console import UserError
from tf1_style.run import __main__ as old_program

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^ *```(?P<info>.*)\n(?P<code>(?:.*\n)*?) *```$", re.MULTILINE)
COMMAND = re.compile(r"(\w+=\S+ )*(\./run_all\.sh|diff|\S*\bpython) (?!-m compare \.\.\.)")
SPAN = re.compile(r"`([^`\n]+)`")
# Options of programs that are not ours: pip, TensorBoard, saved_model_cli, tf_upgrade_v2, examples.
OPTIONS_OF_OTHERS = {
    *("all", "dir", "extra-index-url", "infile", "logdir", "logdir_spec", "no-index", "outfile"),
    *("checkpoint", "decay_rate", "file_name", "upgrade"),
}
# Defaults for the flags that only some programs have, and for those that have none.
EVERY_FLAG = {
    "hidden": "1",
    "activation": "relu",
    "output_activation": "linear",
    "initializer": "uniform",
    "batch_norm": False,
    "keep_prob": 1.0,
    "vocabulary": 100,
    "length": None,
    "facts": 1,
    "loss_weights": "age:1",
    "predict_text": "",
    "separable": True,
    "symmetric": False,
    "filters": 1,
    "blocks": 1,
    "residual": True,
    "max_steps": 1,
    "batch_size": 1,
    "optimizer": "sgd",
    "learning_rate": 1.0,
}
every_page = pytest.mark.parametrize("page", [*PAGES, *TOPICS], ids=lambda page: page.name)


def commands(page):
    """Returns the commands of a page as lists of words, from its blocks, spans and tables."""
    text = page.read_text()
    blocks = [block["code"] for block in FENCED.finditer(text) if not block["info"]]
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    lines += SPAN.findall(FENCED.sub("", text))
    for table in re.finditer(r"^\| `(.*-m compare) \.\.\.`.*\n((?:\|.*\n)*)", text, re.MULTILINE):
        cells = re.findall(r"^\| `([^`]+)`", table[2], re.MULTILINE)
        lines += [f"{table[1]} {cell}" for cell in cells]
    return [shlex.split(line, comments=True) for line in lines if COMMAND.match(f"{line} ")]


def check(words, monkeypatch):
    """Raises UserError or AssertionError if a command does not exist."""
    while re.match(r"\w+=", words[0]):
        words = words[1:]
    program, *rest = words
    if program == "diff":
        assert all((ROOT / word).is_file() for word in rest if word.endswith(".py"))
    elif program == "./run_all.sh":
        if rest[:1] not in (["test"], ["legacy"], ["old"]):
            check_compare(["accuracy", *rest], monkeypatch)
    elif rest[:2] == ["-m", "compare"]:
        check_compare(rest[2:], monkeypatch)
    elif rest and rest[0].startswith(("tf1_style/", "tf2_style/")):
        check_flags(rest[0], rest[1:])
    elif rest and "/" in rest[0]:
        assert (ROOT / rest[0]).is_file()


def check_compare(words, monkeypatch):
    """Parses the command as `python -m compare` does, and runs nothing."""
    parsed = []
    for module in compare_command.COMMANDS.values():
        monkeypatch.setattr(module, "main", lambda *arguments: parsed.append(arguments))
    if "--help" in words:
        with pytest.raises(SystemExit) as ended:
            compare_command.main(words)
        assert ended.value.code == 0
        return
    try:
        compare_command.main(words)
    except UserError as error:
        if "arguments are required" not in str(error):  # a mention, such as `compare report`
            raise
        return
    arguments, *handed_on = parsed[0]
    if words[0] == "parity" and len(arguments.what) == 1:
        for style in ("tf1_style", "tf2_style"):
            check_flags(f"{style}/{arguments.what[0]}.py", *handed_on)


def check_flags(script, given):
    """Parses the flags of a program as the program does, and runs nothing."""
    assert (ROOT / script).is_file(), script
    if "--help" in given:
        return
    source = (ROOT / script).read_text()
    defaults = [
        {
            keyword.arg: ast.literal_eval(keyword.value)
            for keyword in call.keywords
            if not isinstance(keyword.value, (ast.Name, ast.Attribute))  # functions, such as `load`
        }
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "main" and call.keywords
    ]
    if defaults:
        if "answer=" in source:
            defaults[0]["predict_text"] = ""
        flags.parse([script, *given], "", **defaults[0])
        return
    # A program of its own: its flags are defined in its file, or by the functions that it imports.
    names = re.findall(r'DEFINE_\w+\(\s*"(\w+)"', source)
    for name in re.findall(r"\bdefine_(\w+)\(", source):
        names += [name, "data_dir"] if name == "dataset" else [name]
    assert {flag[2:].partition("=")[0] for flag in given} <= set(names), (script, given)


def test_the_readme_fits_two_screens():
    assert len(README.read_text().splitlines()) <= 130


def test_the_readme_leads_to_every_page():
    text = README.read_text()
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in text] == []


def test_the_readmes_pair_is_real():
    """Each half of a line, after the comment that names the files, is a line of its file."""
    block = next(b["code"] for b in FENCED.finditer(README.read_text()) if "# tf1_style" in b[0])
    titles, *rows = block.splitlines()
    column = titles.index("# tf2_style")
    for title, halves in (
        (titles[:column], [row[:column] for row in rows]),
        (titles[column:], [row[column:] for row in rows]),
    ):
        file = ROOT / title.strip(" #")
        lines = [line.strip() for line in file.read_text().splitlines()]
        assert [half for half in halves if half.strip() and half.strip() not in lines] == []
    assert 10 <= len(rows) <= 14


@every_page
def test_every_link_leads_somewhere(page):
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.is_file():
            wrong.append(target)
        elif anchor and file.suffix == ".md":
            titles = [m["title"] for m in HEADING.finditer(without_code(file.read_text()))]
            if anchor not in map(slug, titles):
                wrong.append(target)
    assert wrong == []


@every_page
def test_every_command_exists(page, monkeypatch):
    wrong = []
    for words in commands(page):
        try:
            check(words, monkeypatch)
        except (AssertionError, UserError) as error:
            wrong.append(f"{shlex.join(words)}: {error}")
    assert not wrong, "\n".join(wrong)


def test_commands_are_found_and_checked(tmp_path, monkeypatch):
    """So that the test above does not pass because it sees nothing."""
    assert sum(len(commands(page)) for page in PAGES) > 50
    for line in (
        "python -m compare no_such_command",
        "./run_all.sh --no_such_option",
        "python tf1_style/no_such_program.py",
        "python tf1_style/mnist_softmax.py --hidden=3",  # a flag of other programs
        "python -m compare parity mnist_softmax --no_such_flag=1",
        "python -m compare parity mnist_naive --keep_prob=1",
    ):
        page = tmp_path / "page.md"
        page.write_text(f"```\n{line}\n```\n")
        with pytest.raises((AssertionError, UserError)):
            check(*commands(page), monkeypatch)


@every_page
def test_every_option_that_a_page_names_exists(page, capsys):
    for command in (*compare_command.COMMANDS, "checkpoint convert"):
        with pytest.raises(SystemExit):
            compare_command.main([*command.split(), "--help"])
    with pytest.raises(SystemExit):
        old_program.main(["--help"])
    known = re.findall(r"--([\w-]+)", capsys.readouterr().out)
    for name in flags.parse(["script"], "", **EVERY_FLAG):
        known += [name, f"no{name}"]
    named = re.findall(r"(?<![\w-])--([a-z][\w-]*)", page.read_text())
    assert set(named) - set(known) - OPTIONS_OF_OTHERS == set()


@every_page
def test_every_file_that_a_page_names_exists(page):
    """In full, or below the folder of either style."""
    named = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|sh))`", FENCED.sub("", page.read_text()))
    named = {path for path in named if Path(path).stem not in ("X", "NAME")}
    folders = (ROOT, ROOT / "tf1_style")
    assert [p for p in named if not any((folder / p).is_file() for folder in folders)] == []
