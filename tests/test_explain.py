"""`compare explain`: from a message, a traceback or a symptom to the entry of the guide."""

import io
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from compare import explain, guide
from shared.console import UserError

TITLES = {guide.slug(entry.title): entry.title for entry in guide.entries()}
TRACEBACK = """\
2026-11-26 20:30:48.100000: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
Traceback (most recent call last):
  File "/home/me/old/train.py", line 57, in <module>
    main()
  File "/home/me/old/train.py", line 12, in main
    logits = model.build(x)
  File "/home/me/old/model.py", line 7, in build
    h = tf.layers.conv2d(x, 32, 5)
  File "/usr/lib/python3.11/site-packages/tensorflow/python/util/lazy_loader.py", line 207, in get
    raise AttributeError(
AttributeError: `conv2d` is not available with Keras 3.
"""


def symptoms():
    """Yields address, the slugs of the entries that answer it, and the words of each symptom."""
    blocks = (ROOT / "tests" / "symptoms.txt").read_text().split("\n\n")[2:]
    for block in blocks:
        address, titles, words = block.strip().splitlines()
        yield address, [guide.slug(title) for title in titles.split(" | ")], words


def best(text):
    found = explain.search(text)
    return guide.slug(found[0].title) if found else None


def test_the_symptoms_are_real_questions():
    found = list(symptoms())
    assert len(found) == 50
    for address, slugs, _ in found:
        year, url = address.split()
        assert 2018 <= int(year) <= 2026 and url.startswith("https://github.com/")
        assert set(slugs) <= TITLES.keys()


def test_symptoms_lead_to_the_right_entry():
    wrong = {words: best(words) for _, slugs, words in symptoms() if best(words) not in slugs}
    assert len(wrong) <= 5, wrong


def explained(*words, stdin=""):
    """Runs the command; returns the process."""
    return subprocess.run(
        [sys.executable, "-m", "compare", "explain", *words],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_a_traceback_is_read():
    report = explain.read(TRACEBACK)
    assert report.message == "AttributeError: `conv2d` is not available with Keras 3."
    assert (report.place, report.code) == ("model.py:7", "h = tf.layers.conv2d(x, 32, 5)")
    assert report.program == "/home/me/old/train.py"


def test_the_command_prints_the_entry_of_a_traceback():
    process = explained(stdin=TRACEBACK)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0] == "model.py:7  h = tf.layers.conv2d(x, 32, 5)"
    assert "docs/migration/errors.md#conv2d-is-not-available-with-keras-3" in process.stdout
    assert "First aid: pip install tf_keras" in process.stdout
    assert lines[-1].endswith("unchanged: ./run_all.sh old /home/me/old/train.py")
    assert len(lines) < 30


def test_a_message_may_be_an_argument():
    process = explained("module 'tensorflow' has no attribute 'random_normal'")
    assert "tf.log and other names that moved" in process.stdout
    assert "After, in TensorFlow 2:" in process.stdout and "./run_all.sh old" in process.stdout


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "KeyError: 'foo'",
            "how do I bake bread",
            "ModuleNotFoundError: No module named 'yaml'",
        ),
        *(
            "ZeroDivisionError: division by zero",
            "ImportError: cannot import name 'foo' from 'bar'",
        ),
        *("IndentationError: unexpected indent", "CUDA out of memory", "\0\n"),
        "FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'",
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    ],
)
def test_nothing_is_made_up(text):
    assert explain.search(explain.read(text).message) == []


def test_an_unknown_message_is_one_line():
    process = explained("KeyError: 'foo'")
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == (
        "the guide knows nothing about \"KeyError: 'foo'\"; docs/migration.md lists its entries\n"
    )


RETRACING = (
    "WARNING:tensorflow:5 out of the last 5 calls to <function step at 0x7f> triggered tf.function "
    "retracing. Tracing is expensive"
)
FLAG = (
    "absl.flags._exceptions.DuplicateFlagError: The flag 'log_dir' is defined twice. First from "
    "absl.logging, Second from main"
)
KEY = """\
tensorflow.python.framework.errors_impl.NotFoundError: Restoring from checkpoint failed. This is \
most likely due to a Variable name or other graph key that is missing from the checkpoint.

Node: 'save/RestoreV2'
Key v not found in checkpoint
\t [[{{node save/RestoreV2}}]]"""


@pytest.mark.parametrize(
    ("warning", "slug"),
    [
        (RETRACING, "triggered-tffunction-retracing"),
        (FLAG, "the-flag-log_dir-is-defined-twice"),
        (KEY, "key--not-found-in-checkpoint"),
    ],
)
def test_what_a_program_printed_before_does_not_matter(warning, slug):
    text = "Epoch 1, loss 0.5\nstep 20, accuracy 0.9\n" * 50 + warning + "\n"
    assert best(explain.read(text).message) == slug


@pytest.mark.parametrize("part", ["ValueError: ", "AttributeError: ... ", "\n", "'"])
def test_a_long_text_takes_no_long_time(part):
    start = time.process_time()
    explain.search(explain.read((part * 300_000)[-explain.LONGEST :]).message)
    assert time.process_time() - start < 5


@settings(max_examples=100, deadline=None)
@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "replace")))
def test_any_text_ends_without_a_traceback(text):
    for whole in (text, f"{TRACEBACK}{text}", f"Traceback\nValueError: {text}"):
        stdin = SimpleNamespace(
            isatty=lambda: False, buffer=io.BytesIO(whole.encode("utf-8", "replace"))
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", io.StringIO())
            try:
                assert explain.main(SimpleNamespace(message=[])) == 0
            except UserError as error:
                assert len(str(error).splitlines()) == 1
