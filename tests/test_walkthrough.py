"""docs/migration/walk-through.md: each command prints what the page shows."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

PAGE = ROOT / "docs" / "migration" / "walk-through.md"
FOLDER = ROOT / "tests" / "walkthrough"
NAMED = "/home/me/walk"  # the folder, as the page has it
NUMBER = re.compile(r"\d+\.\d{3,}")
GRAPHS = """
import glob, sys
import tensorflow as tf
for folder in sys.argv[1:]:
    scopes = set()
    for path in glob.glob(folder + "/events.*"):
        try:  # parity ends a program early, whose last event then is not whole
            for event in tf.compat.v1.train.summary_iterator(path):
                graph = tf.compat.v1.GraphDef.FromString(event.graph_def)
                names = [n.name for n in graph.node if "/" in n.name or n.op == "NoOp"]
                scopes |= {name.split("/")[0] for name in names}
        except tf.errors.DataLossError:
            pass
    print(*sorted(scopes))
"""


def commands():
    """Returns (command, what it prints) of the page, in order."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def pattern(output):
    """Returns the expression that an output fits: `...` is anything, and so are digits."""
    parts = [re.escape(NUMBER.sub("#", part)) for part in output.strip().split("...")]
    return re.compile(".*".join(parts), re.DOTALL)


def test_the_page_has_commands():
    assert len(commands()) >= 13
    assert pattern("loss 0.1234\n...\nend").fullmatch("loss #\nmuch\nend")
    assert not pattern("loss 0.1234\nend").fullmatch("loss #\nno end")


@pytest.mark.proof
def test_each_command_prints_what_the_page_shows(tmp_path):
    walk = tmp_path / "walk"
    shutil.copytree(FOLDER, walk, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "TWINS": str(ROOT), "PYTHONPATH": str(ROOT)}
    printed = {}
    for command, expected in commands():
        process = subprocess.run(
            ["bash", "-c", command],
            cwd=walk,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        printed[command] = process.stdout.replace(str(walk), NAMED).strip()
        said = NUMBER.sub("#", printed[command])
        assert pattern(expected).fullmatch(said), f"$ {command}\n{printed[command]}"
    check_the_numbers(printed)
    graphs = [sys.executable, "-c", GRAPHS, walk / "old_logs", walk / "new_logs"]
    process = subprocess.run(graphs, capture_output=True, text=True, check=True)
    old, new = (set(line.split()) for line in process.stdout.splitlines())
    assert old == {"conv1", "conv2", "fc"} | boxes(0) | {"ArgMax"}  # of the accuracy
    assert new == {"conv1", "conv2", "fc"} | boxes(1) | {"NoOp"}


def boxes(column):
    """Returns the boxes of a column of the page's last table."""
    table = PAGE.read_text().rpartition("| old | new | |\n")[2]
    rows = re.findall(r"^\|(.*?)\|(.*?)\|", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row[column])}


def check_the_numbers(printed):
    """What the page says of them holds: the accuracy comes along, and the speed is alike."""
    accuracies = re.findall(r"test accuracy (\S+)", "\n".join(printed.values()))
    assert len(accuracies) == 4 and min(map(float, accuracies)) > 0.9
    assert accuracies[0] == accuracies[2]  # the old program's, and that of its checkpoint
    (loss,) = re.findall(r"step 250, loss (\S+)", "\n".join(printed.values()))
    assert float(loss) < 0.1  # with the first batches once more it is 0.16
    seconds = [
        float(number)
        for output in printed.values()
        for number in re.findall(r"(\S+) seconds of the processor", output)
    ]
    old, new = seconds[1] - seconds[0], seconds[3] - seconds[2]
    assert new < 2 * old
