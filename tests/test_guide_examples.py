"""Every example of the guide runs, before and after, and computes the same numbers.

The examples of one kind are one program: the old ones run through `tf1_style.run`, and on
TensorFlow 1.15.5 itself.
"""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import ROOT

from compare import guide

ENTRIES = [entry for entry in guide.entries() if entry.examples]
LEGACY = ROOT / ".venv-tf115" / "bin" / "python"
# Relative to the largest number: what float32 leaves if the same formula is written otherwise.
ROUNDING = 4e-7

PROGRAM = '''
import json
import sys
import traceback

import numpy as np
import tensorflow as tf
{imports}

def flat(result):
    """All numbers of nested lists, tensors and arrays, in their order."""
    if hasattr(result, "numpy"):
        result = result.numpy()
    if isinstance(result, (list, tuple, map)):
        return [number for part in result for number in flat(part)]
    return np.asarray(result, np.float64).ravel().tolist()

{functions}

results = {{}}
for name, function in sorted(globals().copy().items()):
    if name.startswith("example_"):
        {reset}
        try:
            results[name] = flat(function())
        except BaseException:
            results[name] = traceback.format_exc()
with open(sys.argv[1], "w") as file:
    json.dump(results, file)
'''
KINDS = {
    "before": ("", "tf.keras.backend.clear_session()"),
    "after": ("", "pass"),
    "keras": ("import keras", "keras.backend.clear_session()"),
}


def program(kind, entries):
    """Returns the text of a program that runs the examples of one kind."""
    functions = []
    for number, entry in enumerate(entries):
        code = entry.examples[kind] + "\nreturn result"
        functions.append(f"def example_{number:03d}():\n" + textwrap.indent(code, "    "))
    imports, reset = KINDS[kind]
    return PROGRAM.format(imports=imports, reset=reset, functions="\n\n".join(functions))


def run(kind, entries, folder, command):
    """Runs the examples of one kind as one program; returns {title: numbers, or a traceback}."""
    entries = [entry for entry in entries if kind in entry.examples]
    if not entries:
        return {}
    source, target = folder / f"examples_{kind}.py", folder / f"{kind}.json"
    source.write_text(program(kind, entries))
    done = subprocess.run(
        [*map(str, command), source, target],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert target.is_file(), done.stderr[-2000:]
    results = json.loads(target.read_text())
    return {entries[int(name[-3:])].title: value for name, value in results.items()}


def differences(expected, results):
    """Returns what is wrong with each example, and how many are bit-identical."""
    wrong, same = {}, 0
    for title, numbers in results.items():
        old = expected[title]
        if isinstance(numbers, str) or isinstance(old, str):
            wrong[title] = old if isinstance(old, str) else numbers
        elif len(old) != len(numbers):
            wrong[title] = f"{old}\n{numbers}"
        elif old == numbers:
            same += 1
        elif not np.allclose(numbers, old, rtol=0, atol=ROUNDING * np.max(np.abs(old))):
            wrong[title] = f"{old}\n{numbers}"
    return wrong, same


def check(entries, folder, old_command):
    """Runs all examples; returns how many of each kind ran, and were bit-identical to before."""
    expected, counts = run("before", entries, folder, old_command), {}
    for kind in ("after", "keras"):
        results = run(kind, entries, folder, [sys.executable])
        wrong, same = differences(expected, results)
        assert not wrong, "\n\n".join(f"{kind}: {title}\n{text}" for title, text in wrong.items())
        counts[kind] = len(results), same
    return counts


@pytest.mark.proof
def test_every_example_computes_the_same_before_and_after(tmp_path):
    counts = check(ENTRIES, tmp_path, [sys.executable, "-m", "tf1_style.run"])
    assert counts["after"][0] == len(ENTRIES) >= 82 and counts["keras"][0] >= 67
    assert counts["after"] == (len(ENTRIES),) * 2  # bit for bit


@pytest.mark.legacy
@pytest.mark.skipif(not LEGACY.exists(), reason="TensorFlow 1.15.5 is not in .venv-tf115")
def test_the_examples_compute_the_same_on_tensorflow_1(tmp_path):
    check(ENTRIES, tmp_path, [LEGACY])


def test_a_wrong_example_is_found(tmp_path):
    """Another number, another count, an error: so that the tests above can fail."""
    old = {"number": [1.0], "count": [1.0, 2.0], "error": [1.0], "same": [3.0]}
    new = {"number": [1.001], "count": [1.0], "error": "Traceback", "same": [3.0]}
    wrong, same = differences(old, new)
    assert set(wrong) == {"number", "count", "error"} and same == 1
