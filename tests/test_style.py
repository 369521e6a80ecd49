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
    if "old_programs" not in path.parts  # written as programs of their time were
)


def names(style):
    """The files of a style, without run/, which does another thing in each."""
    paths = (path.relative_to(ROOT / style) for path in (ROOT / style).rglob("*.py"))
    return sorted(str(path) for path in paths if path.parts[0] != "run")


PAIRS = names("tf1_style")


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
    is_allowed = path.parent.name in ("checkpoint", "peers")
    allowed = {"tensorflow"} if is_allowed else set()
    assert not forbidden[path.relative_to(ROOT).parts[0]] & set(imported(path)) - allowed


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in FILES
        if path.relative_to(ROOT).parts[0] in ("shared", "tf1_style")
        and path.relative_to(ROOT).parts[:2] != ("tf1_style", "run")  # for today's TensorFlow
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_syntax_of_python_3_7(path):
    ast.parse(path.read_text(), feature_version=(3, 7))


def test_tf2_style_is_free_of_tf1():
    for name in names("tf2_style"):  # run/ takes other people's functions apart
        assert "compat.v1" not in (ROOT / "tf2_style" / name).read_text()


def test_every_file_has_its_twin():
    assert PAIRS == names("tf2_style")


def test_class_names_are_unique():
    """The twins share theirs, and the benchmark's peers are programs of their own."""
    owners = {}
    for path in FILES:
        parts = path.relative_to(ROOT).parts
        # The names of run/contrib are TensorFlow's.
        if parts[0] in ("tf2_style", "tests") or "peers" in parts or "contrib" in parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                owners.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in owners.items() if len(paths) > 1} == {}


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
    "Trainer.create_session(self, config)",  # TF2 has no sessions
    "Trainer.minimize(self, loss)",  # TF1 adds operations to the graph
    "Trainer.feed(self, batch, keep_prob)",  # TF2 has no placeholders
    "_copies(tensors)",  # TF2's functions return copies
    "Trainer.update(self, batch, keep_prob, learning_rate)",  # TF2 traces functions
    "Trainer._concrete_update(self)",
    "Trainer.create_optimizer(self, flags)",
    "TwoSidesTrainer.__init__(self, model_class, flags)",
    "TwoSidesTrainer.minimize(self, loss)",
    "TwoSidesTrainer.train_step(self, batch, keep_prob, learning_rate)",
    "TwoSidesTrainer.create_optimizer(self, flags)",
    "TwoSidesTrainer.gradients_of(self, side, batch, keep_prob)",
    "TwoSidesTrainer.update(self, batch, keep_prob, learning_rate)",
    "TwoSidesTrainer.gradients_and_activations(self, batch, keep_prob)",
    "PipelineTrainer.__init__(self, model_class, flags)",  # TF1's iterator is in the graph
    "Trainer.evaluated_layers(self, inputs)",
    "Trainer.gradients_and_activations(self, batch, keep_prob)",  # TF1 fetches any tensor
    "signature(declared)",
    "MultiStep._variable(self, array)",  # only variables outlast a run of a TF1 session
    "MultiStep.body(self, indices, keep_prob, learning_rate)",  # TF2's loop is a function
    "Summaries._write_metadata(self)",  # TF2 has its profiler
    "Summaries._add(self, summary, step)",  # TF2's writer is a context
    "histogram(tag, array)",  # TF1's operation needs less memory
}


# TensorFlow 1 has classes of optimizers, and TensorFlow 2 of replicas, that the other lacks.
OTHER_PARTS = ("training/optimizers.py", "training/replicas.py")


@pytest.mark.parametrize("name", [name for name in PAIRS if name not in OTHER_PARTS])
def test_twins_have_the_same_functions(name):
    pair = [functions(ROOT / style / name) for style in ("tf1_style", "tf2_style")]
    assert set(pair[0]) ^ set(pair[1]) <= ALONE
    shared = [[function for function in found if function not in ALONE] for found in pair]
    assert shared[0] == shared[1]


SCRIPTS = [name for name in PAIRS if "__main__" in (ROOT / "tf1_style" / name).read_text()]
MODELS = [
    name
    for name in SCRIPTS
    if "from tf1_style.training import main" in (ROOT / "tf1_style" / name).read_text()
]


def defaults(path):
    """The flags' defaults that a script hands to `main`."""
    main = ast.parse(path.read_text()).body[-1].body[0].value
    return {
        keyword.arg: ast.unparse(keyword.value)
        if isinstance(keyword.value, (ast.Name, ast.Attribute))  # a function, such as stories.load
        else ast.literal_eval(keyword.value)
        for keyword in main.keywords
    }


@pytest.mark.parametrize("name", MODELS)
def test_twins_have_the_same_flags(name):
    assert defaults(ROOT / "tf1_style" / name) == defaults(ROOT / "tf2_style" / name) != {}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_short(name):
    for style in ("tf1_style", "tf2_style"):
        assert len((ROOT / style / name).read_text().splitlines()) < 120


def test_trainers_are_short_and_alike():
    texts = [
        (ROOT / style / "training" / "trainer.py").read_text().splitlines()
        for style in ("tf1_style", "tf2_style")
    ]
    assert all(len(lines) <= 135 for lines in texts)
    differing = subprocess.run(
        ["diff", "-y", "--suppress-common-lines"]
        + [ROOT / style / "training" / "trainer.py" for style in ("tf1_style", "tf2_style")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(differing.stdout.splitlines()) <= 120
