"""The few hard rules of the layout."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

FILES = sorted(
    path
    for folder in ("shared", "tf1_style", "tf2_style", "compare", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
PAIRS = sorted(path.name for path in (ROOT / "tf1_style").glob("*.py"))


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_ruff(arguments):
    command = [sys.executable, "-m", "ruff", *arguments, str(ROOT)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    forbidden = {
        "shared": {"tensorflow", "tf1_style", "tf2_style", "compare"},
        "tf1_style": {"tf2_style", "compare"},
        "tf2_style": {"tf1_style", "compare"},
        "compare": {"tensorflow", "tf1_style", "tf2_style"},
        "tests": set(),
    }
    # But to read and write checkpoints of strangers it takes TensorFlow; the benchmark's peers are
    # programs of their own.
    is_allowed = path == ROOT / "compare" / "checkpoint.py" or path.parent.name == "peers"
    allowed = {"tensorflow"} if is_allowed else set()
    assert not forbidden[path.relative_to(ROOT).parts[0]] & set(imported(path)) - allowed


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.relative_to(ROOT).parts[0] in ("shared", "tf1_style")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_syntax_of_python_3_7(path):
    ast.parse(path.read_text(), feature_version=(3, 7))


def test_tf2_style_is_free_of_tf1():
    for path in (ROOT / "tf2_style").glob("*.py"):
        assert "compat.v1" not in path.read_text()


def test_every_file_has_its_twin():
    assert PAIRS == sorted(path.name for path in (ROOT / "tf2_style").glob("*.py"))


def functions(path):
    """The functions of a file in their order, with their parameters."""
    found = []
    for node in ast.parse(path.read_text()).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef):
                arguments = ", ".join(argument.arg for argument in member.args.args)
                found.append(f"{owner}{member.name}({arguments})")
    return found


# What one style needs and the other does not.
ALONE = {
    "Trainer.gradients_and_activations(self, images, labels, keep_prob)",  # TF1 fetches any tensor
    "Trainer.minimize(self, loss)",  # TF2 updates where it calls
    "Loop._variable(self, array)",  # TF1 has nothing that lasts from run to run but variables
    "Loop.body(self, indices, keep_prob, learning_rate)",  # TF2's loop is a function
    "Summaries.run_metadata(self, step)",  # TF2 has its profiler
    "Summaries._write_metadata(self)",
    "Summaries._add(self, summary, step)",  # TF2's writer is a context
    "histogram(tag, array)",  # TF1's operation has no need of this
}


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "optimizers.py"])
def test_twins_have_the_same_functions(name):
    """But for optimizers.py, where TensorFlow 1 has classes that TensorFlow 2 lacks."""
    pair = [functions(ROOT / style / name) for style in ("tf1_style", "tf2_style")]
    assert set(pair[0]) ^ set(pair[1]) <= ALONE
    shared = [[function for function in found if function not in ALONE] for found in pair]
    assert shared[0] == shared[1]


SCRIPTS = [name for name in PAIRS if "__main__" in (ROOT / "tf1_style" / name).read_text()]
MODELS = [name for name in SCRIPTS if "trainer.main(" in (ROOT / "tf1_style" / name).read_text()]


def defaults(path):
    """The flags' defaults that a script hands to the trainer."""
    main = ast.parse(path.read_text()).body[-1].body[0].value
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in main.keywords}


@pytest.mark.parametrize("name", MODELS)
def test_twins_have_the_same_flags(name):
    assert defaults(ROOT / "tf1_style" / name) == defaults(ROOT / "tf2_style" / name) != {}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_short(name):
    for style in ("tf1_style", "tf2_style"):
        assert len((ROOT / style / name).read_text().splitlines()) < 120


def test_a_trainer_is_short():
    for style in ("tf1_style", "tf2_style"):
        assert len((ROOT / style / "trainer.py").read_text().splitlines()) < 300
