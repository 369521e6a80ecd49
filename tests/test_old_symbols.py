"""The table of symbols of TensorFlow 1.15.5: what is not gone is there, what is gone says so."""

import importlib.util
import subprocess
import sys

import pytest

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


@pytest.mark.proof
@pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None, reason="requirements-legacy.txt not installed"
)
def test_each_row_holds():
    command = [sys.executable, "-W", "ignore", "-c", ASK]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
