"""parity old.py new.py: what two programs evaluate between and after steps that agree."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from test_strangers import judge, operations  # noqa: F401  judge is a fixture

from compare.parity import evaluations, first_difference, strangers
from compare.parity.mapping import Mapping
from shared import recorder, trace
from shared.predictions import EVALUATED_ROWS, Evaluation

STRANGERS = ROOT / "tests" / "strangers"
random = np.random.RandomState(0)
X, LOGITS, OTHERS = (random.rand(6, n).astype("float32") for n in (4, 3, 3))
Y = np.array([0, 1, 2, 0, 1, 2])


# What is kept of an evaluation.


def test_the_results_of_calls_are_joined_if_they_have_a_row_for_each_example():
    made = Evaluation()
    for first in (0, 3):
        part = slice(first, first + 3)
        made.add("test", [X[part], Y[part]], [np.float32(0.5), LOGITS[part], np.zeros(7)])
    found = made.tensors()
    assert found["0/outputs/0"].tolist() == LOGITS.tolist() and "0/outputs/1" not in found
    assert found["0/inputs/0"].tolist() == X.tolist() and found["0/calls"].tolist() == [3, 3]


def test_an_evaluation_of_many_examples_is_cut():
    made = Evaluation()
    for _ in range(3):
        assert not made.is_full("test")
        made.add("test", [np.zeros([EVALUATED_ROWS // 2, 2])], [])
        made.add("other", [X], [])
        if len(made.tensors()["0/inputs/0"]) == EVALUATED_ROWS:
            break
    assert made.is_full("test") and not made.is_full("other")


@pytest.fixture
def made(tmp_path):
    """Returns a recorder of steps that begin with `begin` and `record`."""
    made = recorder.Recorder(trace.Trace(str(tmp_path / "it.npz"), 1, [0, 1, 2]))
    options = SimpleNamespace(evaluations=True, operations=None, operations_of=None)
    made.evaluates({}, options)
    made.initial(lambda: {"w": X})
    return made


def step(made, value):
    made.begin(["w"])
    made.record({"loss": 1.0}, {"w": value}, {"w": X}, {"w": X}, {}, {"x": X})


def test_an_evaluation_belongs_to_the_step_before_it(made, tmp_path):
    step(made, X)
    made.evaluation.add("test", [X], [LOGITS])
    made.evaluated(lambda: {"w": X + 1, "other": X})  # averages are swapped in
    step(made, X)
    made._refresh_at_exit()
    made._trace.save()
    found = trace.load(str(tmp_path / "it.npz"))
    names = {(at, name) for at, name in found.values if name.startswith("evaluation/")}
    kinds = "calls", "inputs/0", "outputs/0"
    assert names == {(1, f"evaluation/1/0/{kind}") for kind in kinds} | {
        (1, "evaluation/1/weights/w")
    }


def test_what_is_computed_between_two_updates_of_a_step_is_no_evaluation(made):
    made.begin(["w"])
    made.evaluation.add("test", [X], [LOGITS])
    made.begin(["b"])
    assert made.step == 1 and not made.evaluation.tensors()


def test_without_the_option_nothing_is_kept(tmp_path):
    made = recorder.Recorder(trace.Trace(str(tmp_path / "it.npz")))
    made.begin(["w"])
    assert made.evaluation is None and made.predictions is None


# What is compared.


def recording(path, arrays, at=2):
    """Returns a recording of two steps, and of an evaluation.

    Parameters
    ----------
    arrays : {"inputs/0": ..., "weights/w": ...}, of one group of calls.
    """
    with trace.Trace(str(path), values_at=[0, 1, 2]) as made:
        made.record(0, None, {"w": X})
        for number in (1, 2):
            kept = arrays if number == at else {}
            kept = {
                f"evaluation/{number}/{'' if '/w' in kind else '0/'}{kind}": value
                for kind, value in kept.items()
            }
            made.record(number, 1.0, {"w": X, **kept})
    return trace.load(str(path))


@pytest.fixture
def compared(tmp_path):
    """Returns a function of both programs' {kind: array}; runs that are needed fail."""

    def compared(ours, theirs, at=(2, 2), again=None):
        sides = [
            recording(tmp_path / f"{name}.npz", arrays, step)
            for name, arrays, step in zip(("old", "new"), (ours, theirs), at)
        ]
        runs = SimpleNamespace(rounding=lambda reference: [sides[0]], compared=None)
        runs.evaluation = lambda step, match, weights: (None, again or sides)
        return evaluations.judge(runs, *sides, Mapping(weights={"w": "w"}))

    return compared


def test_the_same_outputs_agree(compared):
    ours = {"inputs/0": X, "behind/0": LOGITS}
    assert compared(ours, ours)["evaluation"]["verdict"] == first_difference.IDENTICAL
    near = {"inputs/0": X * np.float32(1 + 1e-6), "outputs/0": LOGITS * np.float32(1 + 1e-6)}
    assert compared(ours, near)["evaluation"]["verdict"] == strangers.WITHIN


def test_an_earlier_evaluation_is_compared_too(tmp_path):
    """The units of the model may all be dead at the last."""
    kept = {f"evaluation/{at}/0/inputs/0": X for at in (1, 2)}
    sides = []
    for name, results in (
        ("old", (LOGITS, LOGITS)),
        ("new", (OTHERS, LOGITS)),
        ("it", (LOGITS,) * 2),
    ):
        with trace.Trace(str(tmp_path / name), values_at=[0, 1, 2]) as made:
            made.record(0, None, {"w": X})
            for at, array in enumerate(results, 1):
                arrays = {n: a for n, a in kept.items() if f"n/{at}/" in n}
                made.record(at, 1.0, {"w": X, **arrays, f"evaluation/{at}/0/outputs/0": array})
        sides.append(trace.load(str(tmp_path / name)))
    old, new, same = sides
    runs = SimpleNamespace(rounding=lambda reference: [old], compared=None)
    runs.evaluation = lambda step, match, weights: (None, [old, new])
    report = evaluations.judge(runs, old, new, Mapping(weights={"w": "w"}))
    assert report["evaluation"]["step"] == 1 and report["verdict"] == strangers.DIFFERENT
    report = evaluations.judge(runs, old, same, Mapping(weights={"w": "w"}))
    assert report["evaluation"]["step"] == 2 and report["evaluation"]["earlier"] == [1]


def test_examples_in_another_order_are_found(compared):
    order = np.array([3, 1, 0, 5])
    theirs = {"inputs/0": X[order].reshape(-1, 2, 2), "outputs/0": LOGITS[order]}
    report = compared({"inputs/0": X, "outputs/0": LOGITS}, theirs)
    same = first_difference.IDENTICAL
    assert report["evaluation"] == {"step": 2, "examples": 4, "verdict": same}


def test_labels_tell_no_examples_apart(compared):
    order = np.array([3, 1, 0, 2])
    ours = {"inputs/0": np.eye(3)[Y], "inputs/1": X, "outputs/0": LOGITS}
    theirs = {"inputs/0": X[order], "inputs/1": np.eye(3)[Y[order]], "outputs/0": LOGITS[order]}
    assert compared(ours, theirs)["evaluation"]["verdict"] == first_difference.IDENTICAL
    # Nor does the first of two texts.
    twice = {"inputs/0": X[[0, 0, 1]], "inputs/1": X[[0, 1, 2]], "outputs/0": LOGITS[:3]}
    theirs = {"inputs/0": X[[0, 0, 1]], "inputs/1": X[[1, 0, 2]], "outputs/0": OTHERS[:3]}
    assert "why" in compared(twice, theirs)["evaluation"]


def test_other_outputs_for_the_same_examples_part(compared):
    ours = {"inputs/0": X, "outputs/0": LOGITS}
    report = compared(ours, {**ours, "outputs/0": OTHERS})
    assert report["verdict"] == strangers.DIFFERENT and report["evaluation"]["step"] == 2
    assert "the forward pass computes something else" in report["causes"][0]


def test_data_that_are_not_scaled_part(compared):
    ours = {"inputs/0": X, "outputs/0": LOGITS}
    report = compared(ours, {"inputs/0": X * 255, "outputs/0": OTHERS})
    assert "the candidate's input is 255 times the reference's" in report["causes"][0]
    # What one program scales in its model is no mistake.
    report = compared(ours, {"inputs/0": X * 255, "outputs/0": LOGITS})
    assert "verdict" not in report
    assert report["evaluation"]["verdict"] == first_difference.IDENTICAL


def test_a_softmax_that_may_be_computed_later_is_no_difference(compared):
    exponents = np.exp(LOGITS)
    ours = {"inputs/0": X, "outputs/0": exponents / exponents.sum(1, keepdims=True)}
    theirs = {"inputs/0": X, "outputs/0": LOGITS}
    for pair in ((ours, theirs), (theirs, ours)):
        report = compared(*pair)
        assert "verdict" not in report and report["evaluation"]["notes"] == [evaluations.PARTLY]


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ({}, evaluations.ONLY_ONE.format(side="reference", when="after step 2")),
        ({"inputs/0": X[::-1] + 1, "outputs/0": OTHERS}, "evaluate other examples"),
        ({"inputs/0": X[:3] + 1, "outputs/0": OTHERS[:3]}, "evaluate other examples"),
        ({"inputs/0": X, "behind/0": OTHERS[:3]}, "evaluate other examples"),
        ({"outputs/0": OTHERS}, "evaluate other examples, or their inputs are not known"),
        ({"inputs/0": X}, evaluations.NUMBERS),
        ({"inputs/0": X, "outputs/0": Y.astype("float32")}, evaluations.NUMBERS),
        # Without the operations it is not known what a number is computed of.
        ({"inputs/0": X, "behind/0": OTHERS}, evaluations.NUMBERS),
    ],
)
def test_what_cannot_be_compared_accuses_nobody(compared, theirs, why):
    report = compared({"inputs/0": X, "behind/0": LOGITS}, theirs)
    assert "verdict" not in report and why in report["evaluation"]["why"]


def test_no_evaluation(compared):
    assert compared({}, {}) == {"evaluation": {"why": evaluations.NONE}}
    ours = {"inputs/0": X, "outputs/0": LOGITS}
    why = compared(ours, ours, at=(1, 2))["evaluation"]["why"]
    assert why.endswith("the reference after step 1 and the candidate after step 2")


def test_rounding_of_the_steps_does_not_count(compared, tmp_path):
    """The evaluation is made again with the reference's weights."""
    ours = {"inputs/0": X, "outputs/0": LOGITS}
    again = [recording(tmp_path / f"{name}.npz", ours) for name in ("old_again", "new_again")]
    report = compared(ours, {**ours, "outputs/0": LOGITS * 1.01}, again=again)
    assert report["evaluation"]["verdict"] == strangers.WITHIN and "verdict" not in report


def test_other_weights_in_the_evaluation(compared):
    ours = {"inputs/0": X, "outputs/0": LOGITS}
    averages = {**ours, "weights/w": X + 1}
    report = compared(averages, {**ours, "outputs/0": OTHERS})
    assert report["causes"] == [evaluations.WEIGHTS.format(names="w")]
    report = compared(averages, {**averages, "outputs/0": OTHERS})
    assert "the forward pass computes something else" in report["causes"][0]


@pytest.mark.parametrize("is_taken", [True, False])
def test_the_mean_of_the_batch_that_a_cond_may_not_take(tmp_path, is_taken):
    """Old code computes it outside of the tf.cond that chooses between it and the average."""
    mean = X.mean(0)
    rows = ("Placeholder", 1, [], X), ("Mean", 2, [0], mean), ("Squeeze", 2, [1], mean)
    chosen = "Merge", 3, [2], mean if is_taken else mean + 1
    assert evaluations._batch_norm(operations(tmp_path, "old", *rows, chosen), [6]) == is_taken


@pytest.mark.parametrize(
    ("text", "caller", "goes_out"),
    [
        ("h = self.dropout(h, training=training)", "logits = model(x)", True),
        ("h = self.dropout(h, training=True)", "logits = model(x)", False),
        ("h = tf.nn.dropout(h, rate)", "logits = network(x, 0.25)", True),
        ("h = tf.nn.dropout(h, 0.25)", "logits = network(x)", False),
        ("h = tf.nn.dropout(h, 0.25)", "logits = network(x, is_training=True)", True),
        ("h = tf.nn.dropout(h, 0.25)", "logits = network(x, True)", True),
    ],
)
def test_the_line_that_decides_the_mode(monkeypatch, text, caller, goes_out):
    texts = {"new.py:1": text, "new.py:9": caller}
    monkeypatch.setattr(evaluations.user_lines, "text", texts.get)
    about = {"calls": [""], "stack": ["new.py:1", "new.py:9"]}
    side = SimpleNamespace(find=lambda line: 0, about=[about])
    line = evaluations.lines.SourceLine("new.py:1", text, "Mul", [6, 3])
    found = evaluations._outside(side, line)
    assert found.place == ("new.py:9" if goes_out else "new.py:1")


@pytest.mark.parametrize(
    ("evaluated", "text"),
    [
        (
            {"why": evaluations.NONE},
            "9 steps; no evaluation was compared: neither program evaluates",
        ),
        (
            {"step": 9, "examples": 6, "verdict": strangers.WITHIN},
            "9 steps, and the evaluation after step 9: the outputs for 6 examples",
        ),
        (
            {"step": 9, "examples": 6, "verdict": strangers.WITHIN, "earlier": [3, 5]},
            "9 steps, and the evaluations after steps 3, 5 and 9: the outputs for 6 examples",
        ),
        (
            {"step": 9, "examples": 6, "verdict": strangers.DIFFERENT},
            "they part: 9 steps agree, but the evaluation after step 9 differs: the outputs for 6",
        ),
    ],
)
def test_the_verdict_says_whether_an_evaluation_was_compared(evaluated, text):
    verdict = evaluated.get("verdict", first_difference.IDENTICAL)
    report = {"verdict": verdict, "steps": 9, "evaluation": evaluated, "causes": ["It is so."]}
    report.update(mapping={}, weights="own", batches="own", random="own", notes=[])
    report.update(alone=[[], []], uncertain=[])
    shown = strangers.verdict(report, "folder")
    assert text in shown[0] and shown[1] == "It is so."


# Whole programs.

RIGHT = [
    pytest.param("evaluate_fit", "", "", marks=pytest.mark.proof),
    pytest.param("evaluate_tape", "", "", marks=pytest.mark.full),
    pytest.param("evaluate_function", "", "", marks=pytest.mark.full),
    pytest.param(
        "evaluate_fit",
        "model.evaluate(x_test, test_labels, verbose=0)[1]",
        "np.mean(model.predict(x_test, verbose=0).argmax(1) == test_labels)",
        marks=pytest.mark.full,
    ),
    pytest.param(
        "evaluate_fit",
        "model.evaluate(x_test, test_labels, verbose=0)[1]",
        "np.mean(np.argmax(model(x_test, training=False), 1) == test_labels)",
        marks=pytest.mark.full,
    ),
]


@pytest.mark.parametrize(("program", "before", "after"), RIGHT)
def test_a_right_evaluation_is_not_accused(judge, tmp_path, program, before, after):  # noqa: F811
    report = judged(judge, tmp_path, program, before, after)
    assert report["verdict"] == strangers.WITHIN, report.get("causes")
    assert report["evaluation"] == {"step": 12, "examples": 70, "verdict": strangers.WITHIN}


def judged(judge, tmp_path, program, before, after):  # noqa: F811
    text = (STRANGERS / f"{program}.py").read_text()
    assert text.count(before) == 1 or not before
    path = tmp_path / f"{program}.py"
    path.write_text(text.replace(before, after) if before else text)
    return judge(path, old="old_evaluate.py")


MODE, LEFT_ON = "Batch norm uses the batch's own mean", "dropout is left on"
ELU = "h = batch_norm(h, is_training)\n    h = tf.nn.relu(h) if is_training else tf.nn.elu(h)"
PLANTED = [
    ("tape", "model(x, training=False)", "model(x, training=True)", MODE, "training=True"),
    ("tape", "dropout(h, training=training)", "dropout(h, training=True)", LEFT_ON, "self.dropout"),
    ("fit", "model.evaluate(x_test,", "model.evaluate(test_images,", "255 times", "evaluate("),
    ("function", "is_training=False", "is_training=True", MODE, "network(x, is_training=True)"),
    ("function", "h = tf.nn.relu(batch_norm(h, is_training))", ELU, "the outputs do not", "elu(h)"),
]
IN_CI = ("evaluate_tape-dropout", "evaluate_fit-model")


def planted():
    for program, before, after, text, line in PLANTED:
        name = f"evaluate_{program}-{before.partition('(')[0].partition('.')[0]}"
        marks = pytest.mark.proof if name in IN_CI else pytest.mark.full
        yield pytest.param(f"evaluate_{program}", before, after, text, line, marks=marks, id=name)


@pytest.mark.parametrize(("program", "before", "after", "text", "line"), list(planted()))
def test_a_mistake_of_the_evaluation_is_named(
    judge,  # noqa: F811
    tmp_path,
    program,
    before,
    after,
    text,
    line,
):
    report = judged(judge, tmp_path, program, before, after)
    assert report["verdict"] == strangers.DIFFERENT, report["evaluation"]
    assert report["evaluation"]["verdict"] == strangers.DIFFERENT
    assert text in report["causes"][0]
    assert line in report["located"]["candidate"]["text"]
    assert report["located"]["reference"]["place"].startswith(str(STRANGERS / "old_evaluate.py"))


@pytest.mark.full
def test_a_program_without_an_evaluation(judge, tmp_path):  # noqa: F811
    whole = 'print("test accuracy", model.evaluate(x_test, test_labels, verbose=0)[1])'
    report = judged(judge, tmp_path, "evaluate_fit", whole, "")
    why = evaluations.ONLY_ONE.format(side="reference", when="after step 12")
    assert report["verdict"] == strangers.WITHIN and report["evaluation"] == {"why": why}
