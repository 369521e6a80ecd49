"""The table of symbols of TensorFlow 1.15.5: what is not gone is there, what is gone says so; and
what is called gives what it gave on 1.15.5."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from tf1_style.run import symbols

ASK = """
from tf1_style.run import modules, symbols

rows = symbols.rows()
assert len(rows) > 3000
for name, how in rows.items():
    if how == symbols.MODULE:
        continue
    try:
        symbols.resolve(name)
        found = "there"
    except modules.Gone:
        found = "gone"
    if (how == "gone") != (found == "gone"):
        print(name, how, found)
"""
CALL = ROOT / "tests" / "old_programs" / "symbols" / "call.py"
VALUES = (CALL.parent / "values.txt").read_text().splitlines()
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|-?inf|nan")
needs_legacy = pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None, reason="requirements-legacy.txt not installed"
)


@pytest.mark.proof
@needs_legacy
def test_each_row_holds():
    command = [sys.executable, "-W", "ignore", "-c", ASK]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""


@pytest.mark.proof
@needs_legacy
def test_each_call_gives_what_it_gives_on_1_15_5(tmp_path):
    """Its values, and the names and shapes of the variables that it makes."""
    differ(called([sys.executable, "-m", "tf1_style.run", str(CALL)], tmp_path))


@pytest.mark.legacy
def test_what_1_15_5_gives(tmp_path, tf115_python):
    differ(called([tf115_python, "-W", "ignore", str(CALL)], tmp_path))


def called(command, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
    run = subprocess.run(command, check=False, timeout=3000, **options)
    assert run.returncode == 0, run.stderr[-2000:]
    # The profiler prints besides.
    return [line for line in run.stdout.splitlines() if line.startswith("tensorflow.")]


def differ(lines):
    """Fails with the rows that are not those of values.txt, each beside what is expected."""
    assert [line.split("\t")[0] for line in lines] == [line.split("\t")[0] for line in VALUES]
    wrong = [pair for pair in zip(lines, VALUES) if not same(*pair)]
    assert not wrong, "\n".join(line for pair in wrong for line in pair)


def same(ours, theirs):
    (_, values, variables), (_, expected, names) = ours.split("\t"), theirs.split("\t")
    if variables != names or NUMBER.sub("#", values) != NUMBER.sub("#", expected):
        return False
    found, wanted = ([float(x) for x in NUMBER.findall(text)] for text in (values, expected))
    return found == pytest.approx(wanted, rel=1e-4, abs=1e-5, nan_ok=True)


def test_a_wrong_value_or_name_is_seen():
    row = "tensorflow.layers.dense\t2[0.5,-1.25e-3] 'own:0'\tdense/kernel[3, 2]"
    assert same(row, row.replace("0.5", "0.50001"))
    assert not same(row, row.replace("0.5", "0.501"))
    assert not same(row, row.replace("own", "mine"))
    assert not same(row, row.replace("[3, 2]", "[2, 3]"))


def test_the_docs_say_how_many_rows_are_held_to_values():
    works = {name for name, how in symbols.rows().items() if how not in ("gone", symbols.MODULE)}
    held = works & {line.split("\t")[0] for line in VALUES}
    text = (ROOT / "docs" / "old-programs.md").read_text().replace("\n", " ")
    assert f"{len(held):,} of the {len(works):,} symbols" in text
    assert f"The other {len(works) - len(held)} " in text
