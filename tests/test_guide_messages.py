"""TensorFlow says each message of docs/migration/errors.md, word for word but for its `...`."""

import json
import os
import re
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT

from compare import explain, guide

ERRORS = ROOT / "docs" / "migration" / "errors.md"
ENTRIES = [entry for entry in guide.entries() if entry.page == ERRORS]

PROGRAM = """
import json
import os
import sys

{functions}

said = {{}}
for name, function in sorted(globals().copy().items()):
    if name.startswith("message_"):
        with open("printed", "w+") as printed:
            os.dup2(printed.fileno(), 2)  # warnings, and what a command prints
            try:
                function()
                sys.stderr.flush()
                printed.seek(0)
                said[name] = printed.read()
            except BaseException as error:
                said[name] = f"{{type(error).__name__}}: {{error}}"
with open("said.json", "w") as file:
    json.dump(said, file)
"""


# Runs each block in a process of its own, which has TensorFlow already.
MENDED = """
import json
import os
import sys
import traceback

import keras
import tensorflow
import tf_keras

for title, block in json.load(open(sys.argv[1])):
    with open("block.py", "w") as file:  # AutoGraph reads the lines of a function
        file.write(block)
    if os.fork() == 0:
        try:
            exec(compile(block, os.path.abspath("block.py"), "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.wait()[1]:
        open("failed", "a").write(title + "\\n")
"""


def block(entry, info):
    """Returns the one block of an entry with this first line."""
    (found,) = [token.content for token in entry.tokens if token.info == info]
    return found


def pattern(message):
    """Returns the expression that a message fits, however it is wrapped."""
    parts = [re.escape(" ".join(part.split())) for part in message.split("...")]
    return re.compile(".*".join(parts), re.DOTALL)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    functions = [
        f"def message_{number:03d}():\n" + textwrap.indent(block(entry, "python fails"), "    ")
        for number, entry in enumerate(ENTRIES)
    ]
    (folder / "fails.py").write_text(PROGRAM.format(functions="\n\n".join(functions)))
    done = subprocess.run(
        [sys.executable, folder / "fails.py"],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (folder / "said.json").is_file(), done.stderr[-2000:]
    messages = json.loads((folder / "said.json").read_text())
    return {ENTRIES[int(name[-3:])].title: text for name, text in messages.items()}


@pytest.mark.proof
def test_explain_finds_every_message(said):
    """From the words that TensorFlow said, in the first place."""
    found = {title: explain.search(explain.read(text).message)[:1] for title, text in said.items()}
    assert {title: entries for title, entries in found.items() if entries[0].title != title} == {}


@pytest.mark.proof
def test_tensorflow_says_every_message(said):
    wrong = [
        f"{entry.title}:\n{said[entry.title][:1000]}"
        for entry in ENTRIES
        if not pattern(block(entry, "text")).search(" ".join(said[entry.title].split()))
    ]
    assert not wrong, "\n\n".join(wrong)
    assert len(said) == len(ENTRIES) >= 35


@pytest.mark.proof
def test_what_mends_a_message_runs(tmp_path):
    """A block without a word behind `python` is what to write instead."""
    blocks = [
        (entry.title, token.content)
        for entry in ENTRIES
        for token in entry.tokens
        if token.info == "python"
    ]
    (tmp_path / "blocks.json").write_text(json.dumps(blocks))
    done = subprocess.run(
        [sys.executable, "-c", MENDED, "blocks.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert not (tmp_path / "failed").exists(), done.stderr[-3000:]
    assert len(blocks) >= 15
