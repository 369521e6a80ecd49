"""`python -m compare parity`: it says that twins are the same, and finds where programs part."""

import json
import shlex
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT, STYLES, bits, needs_bfloat16, script, tensors
from hypothesis import given
from hypothesis import strategies as st

from compare.parity import causes, distances, first_difference, names
from shared import machine
from shared.console import UserError
from shared.trace import Trace, load, norm

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
ANY = st.floats(width=32)


def single(number):
    return np.array(number, np.float32)


@given(FINITE, st.integers(0, 40))
def test_distance_in_units_in_the_last_place(number, count):
    other = single(number)
    for _ in range(count):
        other = np.nextafter(other, np.float32(np.inf))
    if np.isfinite(other):
        # On the way from below to above, nextafter takes -0 and 0 for one.
        crosses = np.signbit(single(number)) and not np.signbit(other)
        assert distances.ulp_distance(single(number), other) in (
            count,
            count + bool(crosses),
        )


def test_distance_in_the_last_place_at_the_ends():
    most = single(np.finfo(np.float32).max)
    assert distances.ulp_distance(single(0.0), single(-0.0)) == 1
    assert distances.ulp_distance(most, -most) == 2 * int(most.view(np.int32)) + 1
    wide = np.array(np.finfo(np.float64).max)
    assert distances.ulp_distance(wide, -wide) == 2 * int(wide.view(np.int64)) + 1
    assert distances.ulp_distance(np.array([3]), np.array([-4])) == 7
    assert (
        distances.ulp_distance(np.array([2**64 - 1], np.uint64), np.array([0], np.uint64)) > 2**63
    )


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.1 + 1e-12), (1e-50, 2e-50), (1e300, 1e301)])
def test_losses_of_float64_are_compared_as_such(a, b):
    assert not distances.Tolerance().allows(distances.as_recorded(a), distances.as_recorded(b))
    single = float(np.float32(0.1))
    assert distances.as_recorded(single).dtype == np.float32


@pytest.mark.parametrize("dtype", ["int64", "float32", "float16", "float64"])
def test_norms_allow_a_unit_in_the_last_place(dtype):
    """Of whole numbers, and of the smallest there are."""
    a = np.array([0, 1] if dtype == "int64" else [0, np.finfo(dtype).smallest_subnormal], dtype)
    b = np.array([1, 2], dtype) if dtype == "int64" else np.nextafter(a, np.array(1, dtype))
    tolerance = distances.Tolerance(ulp=1)
    assert tolerance.allows(a, b)
    assert tolerance.allows_norms((1, norm(a), 2), (2, norm(b), 2), dtype)


@given(st.lists(ANY, min_size=1, max_size=9), st.data())
def test_tolerances_are_numpys(numbers, data):
    a = np.array(numbers, np.float32)
    b = np.array([data.draw(st.one_of(ANY, st.just(number))) for number in numbers], np.float32)
    atol, rtol = data.draw(st.floats(0, 10)), data.draw(st.floats(1e-6, 1))
    expected = np.allclose(b.astype("f8"), a.astype("f8"), atol=atol, rtol=rtol, equal_nan=True)
    assert distances.Tolerance(atol, rtol).allows(a.astype("f8"), b.astype("f8")) == expected
    assert distances.Tolerance().allows(a, b) == (a.tobytes() == b.tobytes())


@given(st.lists(FINITE, min_size=1, max_size=9), st.data())
def test_norms_never_refuse_what_elements_allow(numbers, data):
    a = np.array(numbers, np.float32)
    factors = data.draw(st.lists(st.floats(-1, 1), min_size=len(a), max_size=len(a)))
    tolerance = distances.Tolerance(1e-3, 1e-2)
    b = (a + np.array(factors) * 0.9 * (1e-3 + 1e-2 * np.abs(a))).astype(np.float32)
    if tolerance.allows(a, b):
        cells = [(hash(x.tobytes()), norm(x), x.size) for x in (a, b)]
        assert tolerance.allows_norms(*cells)


def test_the_worst_element_is_named():
    a = np.zeros((2, 3), np.float32)
    b = a.copy()
    a[1, 2], b[1, 2], b[0, 1] = 4, 1, -2
    found = distances.distance("w", a, b)
    assert (found.absolute, found.relative, found.index) == (3.0, 1.0, (1, 2))
    assert (found.reference, found.candidate) == (4.0, 1.0)
    assert found.ulp == distances.ulp_distance(single(0), single(-2))
    nan = distances.distance("w", single(1), single(np.nan))
    assert nan.absolute == np.inf and nan.index == ()


@pytest.mark.parametrize(
    ("lines", "names_before", "names_after"),
    [
        ("a b", ["a", "c"], ["b", None]),
        (
            "# all\nlayer(\\d)/kernel  W\\1  # weights\n(.*)  x/\\1",
            ["layer2/kernel", "b"],
            ["W2", "x/b"],
        ),
        ("a b\na c", ["a"], ["b"]),
    ],
)
def test_renaming(tmp_path, lines, names_before, names_after):
    (tmp_path / "map").write_text(lines)
    renaming = names.Renaming(str(tmp_path / "map"))
    assert [renaming(name) for name in names_before] == names_after


@pytest.mark.parametrize("line", ["a", "a b c", "a( b", "a \\1", "(a) \\2"])
def test_rules_that_are_none(tmp_path, line):
    (tmp_path / "map").write_text(f"x y\n{line}\n")
    with pytest.raises(UserError, match="map:2: .*; expected an old name"):
        names.Renaming(str(tmp_path / "map"))


def test_what_a_name_says():
    every = [
        "fc/W",
        "train/fc/W/Adam",
        "fc/W/Adam_1",
        "adam/fc_W_momentum",
        "beta1_power",
        "step/b",
    ]
    roles = [names.role(name, every) for name in every]
    assert roles == [
        "weight",
        "Adam's m of fc/W",
        "Adam's v of fc/W",
        "adam's momentum of fc/W",
        "Adam's beta1 to the power of the step",
        "weight",
    ]


# Programs of a stranger: gradient descent on a line, in NumPy, so that a test takes no second.
PROGRAM = """
import sys
import numpy as np
from shared.trace import Trace

trace = Trace()
random = np.random.RandomState(0)
w, b = np.float32([0.5, -0.5]), np.float32([0])
trace.record(0, None, {"w": w, "b": b})
for step in range(40):
    x = random.normal(size=2).astype(np.float32)
    error = w @ x + b[0] - np.float32(1)
    loss = error * error
    w, b = w - np.float32(0.1) * error * x, b - np.float32(0.1) * error
    CHANGE
    trace.record(step + 1, loss, {"w": w, "b": b})
"""


@pytest.fixture
def programs(run, tmp_path):
    """Runs parity on PROGRAM and on one that is changed; returns the process and its report."""

    def programs(change, *options, renamed=None):
        (tmp_path / "old.py").write_text(PROGRAM.replace("CHANGE", "pass"))
        new = PROGRAM.replace("CHANGE", change)
        (tmp_path / "new.py").write_text(new.replace(*renamed) if renamed else new)
        commands = [f"--{side}={PYTHON} {name}.py" for side, name in SIDES]
        process = run("-m", "compare", "parity", *commands, *options, check=False)
        found = (tmp_path / "runs" / "parity").glob("*/parity.json")
        newest = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
        return process, newest and json.loads(newest.read_text())

    return programs


SIDES = (("reference", "old"), ("candidate", "new"))
PYTHON = shlex.quote(sys.executable)  # its folder may have a space in its name


def test_programs_that_are_the_same(programs):
    process, report = programs("pass  # but a comment", "--every=7")
    assert process.returncode == 0, process.stderr
    assert report["verdict"] == "bit-identical" and report["steps"] == 6
    assert process.stdout == (
        "bit-identical: loss and 2 tensors at 6 steps (0 to 35), 2 in full at the last step\n"
    )


@pytest.mark.parametrize("every", [1, 10, 40])
def test_it_narrows_to_the_first_step(programs, every):
    """One bit of one element, at step 23, seen first in every step, at 30, and at the last."""
    change = "w = np.nextafter(w, np.float32([np.inf, w[1]])) if step == 22 else w"
    process, report = programs(change, f"--every={every}")
    assert process.returncode == 1
    first = report["first_difference"]
    assert (first["step"], first["previous"], first["tensors"]) == (23, 22, ["w"])
    (distance,) = report["distances"]
    assert (distance["name"], distance["ulp"], distance["index"]) == ("w", 1, [0])
    assert process.stdout.startswith(
        "first difference at step 23: the loss is the same; 1 tensor differs"
    )
    assert "the size of rounding" in process.stdout


def test_names_that_changed(programs, tmp_path):
    renamed = ('"w": w', '"dense/kernel": w')
    process, _ = programs("pass", renamed=renamed)
    assert process.returncode == 1
    assert "only the reference has w\n" in process.stdout
    assert "only the candidate has dense/kernel\n" in process.stdout
    (tmp_path / "map").write_text("w dense/kernel\n")
    process, report = programs("pass", "--map=map", renamed=renamed)
    assert process.returncode == 0 and report["verdict"] == "bit-identical"


def test_tolerance(programs):
    change = "w = w * np.float32(1 + 1e-6)"
    assert programs(change)[0].returncode == 1
    process, report = programs(change, "--rtol=1e-3", "--atol=1e-3")
    assert process.returncode == 0
    assert report["verdict"] == "within tolerance" and "--rtol=0.001" in process.stdout
    process, report = programs("w = w * np.float32(1.01) if step > 4 else w", "--rtol=1e-3")
    assert process.returncode == 1 and report["first_difference"]["step"] == 6


def test_program_that_does_not_repeat_itself(programs):
    process, report = programs("w = w + np.float32(np.random.default_rng().random())")
    assert process.returncode == 1
    assert "the candidate does not repeat itself" in process.stdout
    assert "the reference" not in "".join(report["faults"])


REPORTS = [
    # A running mean, as logs["loss"] of Keras's fit is; and the loss after the update.
    ("total = (0 if step == 0 else total) + loss; loss = total / (step + 1)", "the mean of all"),
    ("loss = loss * np.float32(0.5)", "or a loss without its penalty"),
]


@pytest.mark.parametrize(("change", "text"), REPORTS)
def test_only_the_reported_loss_differs(programs, change, text):
    process, report = programs(change)
    assert process.returncode == 1 and report["first_difference"]["tensors"] == []
    (cause,) = report["causes"]
    assert cause.startswith("Only the reported loss differs: every weight agrees") and text in cause


def network(path, change):
    """Records a linear network with a penalty, after `change` of each step's numbers."""
    made, random = Trace(path, values_at=range(9)), np.random.RandomState(0)
    v, w = random.normal(size=(2, 5)).astype(np.float32)
    mean = np.zeros(5, np.float32)
    made.record(0, None, {"v": v, "w": w, "bn/moving_mean": mean})
    for step in range(8):
        x = random.normal(size=(2, 5)).astype(np.float32)
        now = SimpleNamespace(x=x, weights=[v, w], rate=np.float32(0.1))
        now.loss = float(v @ x[0] + 3 * (w @ x[1]) + 0.05 * (v @ v + w @ w))
        now.gradients = [x[0] + now.rate * v, 3 * x[1] + now.rate * w]
        change(now)
        mean = np.float32(0.9) * mean + np.float32(0.1) * now.x[0]
        v, w = (u - now.rate * g for u, g in zip(now.weights, now.gradients))
        made.record(step + 1, now.loss, {"v": v, "w": w, "bn/moving_mean": mean})
    made.save()
    return load(path)


def nothing(now):
    pass


def by_each_norm(now):
    now.gradients = [g / np.sqrt(g @ g) for g in now.gradients]


def by_global_norm(now):
    size = np.sqrt(sum(g @ g for g in now.gradients))
    now.gradients = [g / size for g in now.gradients]


def no_decay(now):
    now.gradients = [g - np.float32(0.1) * u for g, u in zip(now.gradients, now.weights)]


def no_penalty(now):
    no_decay(now)
    now.loss -= 0.05 * float(sum(u @ u for u in now.weights))


def twice(now):
    now.gradients, now.loss = [2 * g for g in now.gradients], 2 * now.loss


def sum_of_others(now):
    now.gradients, now.loss = [now.x[1], now.x[0]], 64 * now.loss


def averages_stand_still(now):
    now.x = 0 * now.x


def last_bit(now):
    now.weights[1] = np.nextafter(now.weights[1], np.float32(9))


UPDATES = [
    (nothing, by_global_norm, "Every update of the candidate is 0."),
    (by_global_norm, by_each_norm, "the candidate each variable's by its own norm"),
    (by_each_norm, by_global_norm, "the reference each variable's by its own norm"),
    (nothing, by_each_norm, "the candidate each variable's by its own norm"),
    (nothing, no_penalty, "is smaller or missing in the candidate: its update of v, w is the"),
    (no_penalty, nothing, "is larger, or only there in the candidate"),
    (nothing, no_decay, "so the decay is in the optimizer (weight_decay, decoupled)"),
    (nothing, twice, "The candidate's loss is 2 times the other's, and so is every update"),
    (sum_of_others, nothing, "the sum over a batch of 64"),
    (nothing, averages_stand_still, "Batch norm's moving averages (bn/moving_mean) did not"),
    (nothing, last_bit, "The difference has the size of rounding"),
]


@pytest.mark.parametrize(("old", "new", "text"), UPDATES)
@pytest.mark.parametrize("tolerance", [(), (1e-7, 1e-8)])
def test_updates_show_the_cause(tmp_path, old, new, text, tolerance):
    sides = [network(str(tmp_path / f"{change.__name__}.npz"), change) for change in (old, new)]
    allowed = distances.Tolerance(*tolerance)
    comparison = first_difference.compare(*sides, lambda name: None, allowed)
    assert text in causes.explain(comparison, *sides)[0]


def test_a_record_inside_of_a_traced_function(run, tmp_path):
    (tmp_path / "old.py").write_text(PROGRAM.replace("CHANGE", "pass"))
    error = "'SymbolicTensor' object has no attribute 'numpy'"
    (tmp_path / "new.py").write_text(f'raise AttributeError("{error}")')
    commands = [f"--{side}={PYTHON} {name}.py" for side, name in SIDES]
    process = run("-m", "compare", "parity", *commands, check=False)
    assert process.returncode == 2 and "or in a callback's on_train_batch_end" in process.stderr


def test_a_tolerance_does_not_hide_the_cause(programs):
    process, report = programs("w = w - np.float32(0.1) * error * x", "--rtol=1e-4")
    assert process.returncode == 1
    assert report["causes"] == programs("w = w - np.float32(0.1) * error * x")[1]["causes"]


def test_a_crash_comes_before_what_it_left(programs):
    process, _ = programs("raise RuntimeError('no such thing')", renamed=('"w": w, "b"', '"c"'))
    assert process.returncode == 2 and process.stderr.startswith(
        "the candidate ended with exit 1: RuntimeError: no such thing; the two recordings have no"
    )


def test_nothing_was_compared_before(programs):
    renamed = ('trace.record(0, None, {"w": w, "b": b})', "w = w + 1; trace.record(0, None, {})")
    _, report = programs("pass", renamed=renamed)
    assert report["causes"][0].startswith("Nothing was compared before step 1")


def test_names_that_a_dict_has_lost(programs):
    """Keras 3's v.name is `kernel` for every layer."""
    process, _ = programs("pass", renamed=('"w": w, "b": b', '"kernel": w, "bias": b'))
    assert process.returncode == 2 and "record {v.path: v}" in process.stderr


def averages(loss=0.1, rate=0.1, moved=0.1):
    """A program with a layer of batch norm, of which a step is one line of arithmetic."""
    return f"""
import numpy as np
from shared.trace import Trace
w, mean, x = np.float32([1, 2]), np.zeros(2, np.float32), np.float32([3, 4])
trace = Trace()
trace.record(0, None, {{"fc/w": w, "bn/moving_mean": mean}})
loss = float(w @ x) + {loss} * float(w @ w)
w, mean = w - np.float32({rate}) * (x + np.float32({loss}) * w), np.float32({moved}) * x
trace.record(1, loss, {{"fc/w": w, "bn/moving_mean": mean}})
"""


AVERAGES = [
    ({"loss": 0.2}, "The moving averages of bn/moving_mean agree, so the data"),
    ({"moved": 0.4}, "each moves 4 times as far in the candidate: the momentum"),
    ({"rate": 0.01}, "The candidate's update of fc/w is 0.1 times"),
]


@pytest.mark.parametrize(("change", "text"), AVERAGES)
def test_averages_are_witnesses_and_no_weights(run, tmp_path, change, text):
    (tmp_path / "old.py").write_text(averages())
    (tmp_path / "new.py").write_text(averages(**change))
    commands = [f"--{side}={PYTHON} {name}.py" for side, name in SIDES]
    process = run("-m", "compare", "parity", *commands, check=False)
    said = " ".join(process.stdout.split())
    assert process.returncode == 1 and text in said
    assert "Only these differ" not in said and "Of 2 weights" not in said
    assert "equal scores" not in said


def test_other_shapes_and_types(programs):
    """The same bytes in another shape are another tensor; so is float64, if bits are asked for."""
    renamed = ('"w": w', '"w": w[:, None]')
    process, _ = programs("pass", renamed=renamed)
    fault = "w is float32 [2] in the reference, float32 [2, 1] in the candidate"
    assert process.returncode == 1 and fault in process.stdout
    renamed = ('"w": w', '"w": w.astype("f8")')
    process, _ = programs("pass", renamed=renamed)
    assert process.returncode == 1 and "float64 [2] in the candidate" in process.stdout
    assert programs("pass", "--rtol=1e-6", renamed=renamed)[0].returncode == 0


def test_what_was_not_compared_is_not_called_the_same(programs):
    """Losses that are left out, and a variable that the two record at different steps."""
    process, report = programs("pass", renamed=("loss, {", "None, {"))
    assert process.returncode == 1 and report["verdict"] == "incomparable"
    assert "no step's loss was recorded by both" in process.stdout
    process, report = programs("trace.record(step + 1, loss, {'w': w}); continue")
    assert process.returncode == 0 and report["compared"] == {"b": 1, "w": 41}
    assert "loss and 1 tensor at 41 steps (0 to 40), 1 more at 1 step" in process.stdout


def test_difference_that_norms_do_not_show(programs):
    """With a tolerance, full values have to be looked at, to find the first step of -w."""
    change = "w_shown = -w if step >= 17 else w"
    process, report = programs(
        change, "--rtol=1e-3", renamed=('loss, {"w": w', 'loss, {"w": w_shown')
    )
    assert process.returncode == 1 and report["first_difference"]["step"] == 18
    assert "within the tolerance" in process.stdout


@pytest.mark.parametrize("size", [40.0, 800.0, 1e30])
def test_large_losses(programs, size):
    both = ("w, b = w -", f"loss = np.float32({size}); w, b = w -")
    process, _ = programs("b = b + np.float32(1)", renamed=both)
    assert process.returncode == 1 and process.stderr == "" and "equal scores" not in process.stdout


def test_names_that_changed_places(programs, tmp_path):
    (tmp_path / "map").write_text("w b\nb w\n")
    renamed = ('{"w": w, "b": b}', '{"w": b, "b": w}')
    assert programs("pass", "--map=map", renamed=renamed)[0].returncode == 0
    process, report = programs("b = b + np.float32(1)", "--map=map", renamed=renamed)
    assert process.returncode == 1 and process.stderr == ""
    assert report["first_difference"]["tensors"] == ["b"]
    (tmp_path / "map").write_text("w b\n")
    process, _ = programs("pass", "--map=map")
    assert process.returncode == 2 and "is not the only name that becomes b" in process.stderr


def test_output_that_is_not_text(programs):
    change = "sys.stdout.buffer.write(b'\\xff\\n'); sys.stderr.buffer.write(b'\\xfe\\n')"
    assert programs(change)[0].returncode == 0


def test_loss_that_is_no_number_any_more(programs):
    process, report = programs("loss = loss if step < 7 else np.float32(np.nan)")
    assert process.returncode == 1 and report["first_difference"]["step"] == 8
    assert (
        "first difference at step 8: the loss, " in process.stdout and "and nan" in process.stdout
    )
    assert "the logarithm of a probability" in " ".join(process.stdout.split())


def test_program_that_stops_early(programs):
    process, report = programs("if step == 20: sys.exit('out of memory')")
    assert process.returncode == 1 and report["verdict"] == "incomparable"
    assert "the reference's last step is 40, the candidate's 20" in process.stdout
    assert "the candidate ended with exit 1: out of memory" in process.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mnist_dep"],
            "no program mnist_dep; expected one of mnist_convnet, mnist_deep, mnist_gan, ",
        ),
        (["trainer"], "no program trainer; expected one of"),
        (["optimizers"], "no program optimizers; expected one of"),
        (["mnist_deep", "--trace_file=x"], "--trace_file=x: parity sets this flag itself"),
        ([], "expected one program of the project"),
        (["mnist_deep", "--max_step=3"], "Unknown command line flag 'max_step'"),
        (["--reference=true"], "expected --reference and --candidate together"),
        (["--reference=true", "--candidate=true"], "`true` recorded nothing"),
        (["--reference=exit 7", "--candidate=true"], "(exit 7: no message)"),
        (["a.npz", "b.npz"], "a.npz: No such file or directory"),
        (["mnist_deep", "--map=no"], "--map=no: No such file or directory"),
        (["mnist_deep", "--atol=-1"], "expected --atol, --rtol and --ulp of at least 0"),
        (["mnist_deep", "--rtol=nan"], "got --rtol=nan; expected --atol, --rtol"),
        (["mnist_deep", "--every=0"], "got --every=0; expected"),
    ],
)
def test_user_errors_in_one_line(run, arguments, message):
    process = run("-m", "compare", "parity", *arguments, check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert message in process.stderr and process.stdout == ""


def test_two_traces(run, tmp_path):
    """Without a command nothing can be run again: what is there is told, and what to do."""
    for name, late in (("a", 0), ("b", 1)):
        recorder = Trace(str(tmp_path / name / "trace.npz"), values_at=[3])
        (tmp_path / name).mkdir()
        for step in range(4):
            recorder.record(step, 0.5, {"w": np.full(3, step + late * (step > 1), np.float32)})
        recorder.save()
    process = run("-m", "compare", "parity", "a", "b/trace.npz", check=False)
    assert process.returncode == 1
    assert "first difference at step 2: the loss is the same; 1 tensor differs" in process.stdout
    assert "no full values at step 2 of w; record them with --trace_values_at=2" in process.stdout
    assert run("-m", "compare", "parity", "a", "a").stdout.startswith("bit-identical: ")
    assert not (tmp_path / "runs").exists()


def test_full_values_are_compared_too(tmp_path):
    """As if two tensors had one digest."""
    for name in "ab":
        recorder = Trace(str(tmp_path / name), values_at=[1])
        recorder.record(1, None, {"w": np.zeros(3, np.float32)})
        recorder.save()
    pair = [load(str(tmp_path / name)) for name in "ab"]
    same = first_difference.compare(*pair, lambda name: None, distances.Tolerance())
    assert same.is_same and same.full_values == 1
    pair[1].values[1, "w"][2] = 1
    comparison = first_difference.compare(*pair, lambda name: None, distances.Tolerance())
    assert comparison.first_difference.tensors == ["w"]


def test_twins_in_few_steps(run, tmp_path):
    flags = ["--dataset=digits", "--max_steps=30", "--optimizer=adam", "--learning_rate=0.001"]
    process = run("-m", "compare", "parity", "mnist_softmax", *flags)
    assert process.stdout == (
        "bit-identical: loss and 2 tensors at 31 steps (0 to 30), 7 more at 2 steps, 1 more "
        "at 1 step, 10 in full at the last step\n"
    )
    assert not list(tmp_path.rglob("events.out.tfevents.*"))  # or TensorBoard would show these too


@pytest.mark.proof
def test_perceptron(run):
    """parity trains it, as only a trained one has steps; it takes no --run_dir or --max_steps."""
    process = run("-m", "compare", "parity", "perceptron", "--epochs=20")
    assert process.stdout == (
        "bit-identical: loss and 2 tensors at 21 steps (0 to 20), 2 in full at the last step\n"
    )
    process = run("-m", "compare", "parity", "perceptron", "--epoch=20", check=False)
    assert process.returncode == 2 and "Unknown command line flag 'epoch'" in process.stderr


@pytest.mark.proof
def test_programs_without_a_run_folder(run):
    flags = ["--dataset=digits", "--max_steps=30"]
    process = run("-m", "compare", "parity", "mnist_naive", *flags)
    assert process.stdout == (
        "bit-identical: loss and 4 tensors at 31 steps (0 to 30), 4 in full at the last step\n"
    )
    process = run("-m", "compare", "parity", "tape_basics")
    assert process.stdout == (
        "bit-identical: 4 tensors at 1 step (0 to 0), 4 in full at the last step\n"
    )


@pytest.fixture
def twins_verdict(run):
    """Compares both styles of a program; returns the last line, at exit 0."""

    def twins_verdict(*arguments):
        return run("-m", "compare", "parity", *arguments).stdout.splitlines()[-1]

    return twins_verdict


@pytest.mark.proof
@pytest.mark.parametrize(
    ("precision", "keep_prob"),
    [("float32", 0.5), pytest.param("float32", 1, marks=pytest.mark.full), ("bfloat16", 0.5)],
)
@pytest.mark.parametrize(
    ("optimizer", "rate", "slots"),
    [
        ("sgd", 0.01, 0),
        ("momentum", 0.01, 8),
        pytest.param("nesterov", 0.01, 8, marks=pytest.mark.full),
        pytest.param("adagrad", 0.01, 8, marks=pytest.mark.full),
        pytest.param("rmsprop", 1e-3, 16, marks=pytest.mark.full),
        ("rmsprop_keras", 1e-3, 16),
    ],
)
def test_twins_with_every_optimizer(twins_verdict, optimizer, rate, slots, precision, keep_prob):
    """Adam is in the longer runs."""
    if precision == "bfloat16":
        needs_bfloat16()
    flags = [f"--optimizer={optimizer}", f"--learning_rate={rate}", f"--keep_prob={keep_prob}"]
    flags.append(f"--precision={precision}")
    verdict = twins_verdict("mnist_deep", "--dataset=digits", "--max_steps=60", *flags)
    assert verdict == (
        f"bit-identical: loss and 8 tensors at 61 steps (0 to 60), {1 + slots} more at 2 "
        f"steps, 1 more at 1 step, {10 + slots} in full at the last step"
    )


@pytest.mark.proof
def test_twins_of_the_ladder_in_few_steps(twins_verdict):
    """With what each model has of its own; the last record holds an evaluation as well."""
    flags = ["--dataset=digits", "--epochs=2", "--decay=0.5", "--keep_prob=0.75"]
    model = ["--hidden=30,20", "--activation=tanh", "--output_activation=tanh"]
    model += ["--loss=mean_squared_error", "--initializer=uniform"]
    assert twins_verdict("mnist_mlp", *flags, *model) == (
        "bit-identical: loss and 6 tensors at 23 steps (0 to 22), 15 more at 2 steps, 1 "
        "more at 1 step, 22 in full at the last step"
    )
    assert twins_verdict("mnist_convnet", *flags, "--batch_norm") == (
        "bit-identical: loss and 18 tensors at 23 steps (0 to 22), 23 more at 2 steps, 1 "
        "more at 1 step, 42 in full at the last step"
    )


@pytest.mark.proof
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "batch_size",
    [50, pytest.param(64, marks=pytest.mark.full), pytest.param(100, marks=pytest.mark.full)]
    + [pytest.param(128, marks=pytest.mark.full)],
)
def test_twins_with_batch_norm(twins_verdict, batch_size, precision):
    """Of these some divide the examples and some do not, and some are powers of two."""
    if precision == "bfloat16":
        needs_bfloat16()
    flags = [f"--batch_size={batch_size}", f"--precision={precision}", "--max_steps=100"]
    verdict = twins_verdict("mnist_convnet", "--dataset=digits", "--batch_norm", *flags)
    assert verdict == (
        "bit-identical: loss and 18 tensors at 101 steps (0 to 100), 23 more at 2 steps, 1 "
        "more at 1 step, 42 in full at the last step"
    )


@pytest.mark.proof
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_twins_in_500_steps(twins_verdict, mnist_dir, precision):
    if precision == "bfloat16":
        needs_bfloat16()
    flags = [f"--precision={precision}", f"--data_dir={mnist_dir}"]
    assert twins_verdict("mnist_deep", "--max_steps=500", *flags) == (
        "bit-identical: loss and 8 tensors at 501 steps (0 to 500), 19 more at 2 steps, "
        "1 more at 1 step, 28 in full at the last step"
    )


@pytest.mark.proof
def test_twins_of_the_softmax_in_bfloat16(twins_verdict, mnist_dir):
    needs_bfloat16()
    flags = ["--precision=bfloat16", "--max_steps=1000", f"--data_dir={mnist_dir}"]
    assert twins_verdict("mnist_softmax", *flags).startswith(
        "bit-identical: loss and 2 tensors at 1001 steps (0 to 1000), 1 more at 2 steps"
    )


@pytest.mark.parametrize(
    ("flags", "setting", "has_gpu", "version", "lacking"),
    [
        ("amx_bf16 avx2", "1", False, "2.21.0", None),
        ("avx512_bf16", "1", False, "2.21.0", None),
        ("avx512f avx512_bf16x", "1", False, "2.21.0", "with AMX or AVX512-BF16, not An Abacus"),
        ("amx_bf16", "1", True, "2.21.0", "a processor, not a GPU"),
        ("amx_bf16", "0", False, "2.21.0", "oneDNN, which TF_ENABLE_ONEDNN_OPTS switches off"),
        ("amx_bf16", "False", False, "2.21.0", "oneDNN"),
        ("amx_bf16", "1", False, "1.15.5", "TensorFlow 2.12 or later, not 1.15.5"),
    ],
)
def test_bfloat16_is_had_or_refused(monkeypatch, flags, setting, has_gpu, version, lacking):
    info = {"flags": flags, "model name": "An Abacus"}
    monkeypatch.setattr(machine, "_cpu_info", info.get)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", setting)
    machine._check_precision("float32", has_gpu, version)
    if lacking is None:
        machine._check_precision("bfloat16", has_gpu, version)
    else:
        with pytest.raises(UserError, match=f"--precision=bfloat16 needs .*{lacking}"):
            machine._check_precision("bfloat16", has_gpu, version)


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_bfloat16_is_another_precision(run, tmp_path, style):
    """It is not float32 under another name; and a run does not go on in another precision."""
    needs_bfloat16()
    command = [script(style, "mnist_deep"), "--dataset=digits", "--max_steps=5", "--nolog"]
    run(*command, "--precision=bfloat16", "--run_dir=bfloat16")
    run(*command, "--run_dir=float32")
    ends = [tensors(tmp_path / name) for name in ("bfloat16", "float32")]
    assert {k: bits(v) for k, v in ends[0].items()} != {k: bits(v) for k, v in ends[1].items()}
    process = run(*command, "--run_dir=bfloat16", check=False)
    assert process.returncode == 2
    assert "has --precision bfloat16, not float32" in process.stderr


# What people get wrong: (file, what is there, what is put there, script, flags; the step at which
# it parts, whether the loss does, the variables that differ there (None: all weights and slots),
# what the verdict says).
MISTAKES = {
    "keep_prob as rate": (
        "tf2_style/training/trainer.py",
        "loss, _, _, _ = self.forward(batch, keep_prob, training=True)",
        "loss, _, _, _ = self.forward(batch, 1 - keep_prob, training=True)",
        ["mnist_deep", "--keep_prob=0.8"],
        (1, True, None, "dropout's rate"),
    ),
    "Adam's epsilon": (
        "tf2_style/training/optimizers.py",
        "epsilon=1e-8",
        "epsilon=1e-7",
        ["mnist_deep"],
        (1, False, ["b_conv1", "W_conv1", "b_conv2", "W_conv2"], "slots agree"),
    ),
    "RMSProp's start": (
        "tf2_style/training/optimizers.py",
        "initial_mean_square=1.0",
        "initial_mean_square=0.0",
        ["mnist_deep", "--optimizer=rmsprop", "--learning_rate=0.001"],
        (0, False, ["b_fc2/RMSProp", "W_fc2/RMSProp"], "mean square starts at 1"),
    ),
    "sum for mean": (
        "tf2_style/training/classifier.py",
        "return tf.reduce_mean(errors",
        "return tf.reduce_sum(errors",
        ["mnist_deep"],
        (1, True, ["W_fc1"], "50 times the other's: one takes the sum"),
    ),
    "another seed": (
        "tf2_style/mnist_deep.py",
        "[seed, 2], name",
        "[seed, 3], name",
        ["mnist_deep"],
        (0, False, ["W_conv2"], "Only conv2/W_conv2 starts with other values"),
    ),
    "bias not trained": (
        "tf2_style/mnist_deep.py",
        'bias_variable([64], name="b_conv2")',
        "tf.Variable(tf.fill([64], 0.1), trainable=False, name='b_conv2')",
        ["mnist_deep"],
        (1, False, ["b_conv2"], "conv2/b_conv2 did not change in the candidate"),
    ),
    "labels off by one": (
        "shared/datasets/__init__.py",
        "labels = self.labels[indices].astype(np.int64)",
        "labels = (self.labels[indices].astype(np.int64) + 1) % CLASSES",
        ["mnist_deep"],
        (1, True, None, "the labels"),
    ),
    "another shuffle": (
        "shared/batches.py",
        "RandomState([seed, epoch])",
        "RandomState([seed + 1, epoch])",
        ["mnist_deep"],
        (1, True, None, "the seed of their shuffle"),
    ),
    "images scaled twice": (
        "shared/datasets/__init__.py",
        "images *= self.SCALE\n",
        "images *= self.SCALE * self.SCALE\n",
        ["mnist_deep"],
        (1, True, None, "the scaling of the images"),
    ),
    "images of the softmax scaled twice": (
        "shared/datasets/__init__.py",
        "images *= self.SCALE\n",
        "images *= self.SCALE * self.SCALE\n",
        ["mnist_softmax"],
        (1, False, ["W"], "update of softmax/W is 0.003922 times the reference's (1/255)"),
    ),
    "labels of the softmax off by one": (
        "shared/datasets/__init__.py",
        "labels = self.labels[indices].astype(np.int64)",
        "labels = (self.labels[indices].astype(np.int64) + 1) % CLASSES",
        ["mnist_softmax"],
        (1, False, ["W", "b"], "equal scores for all 10 classes"),
    ),
    "a schedule one step late": (
        "shared/training.py",
        "rate = self.schedule.learning_rate(step)",
        "rate = self.schedule.learning_rate(max(step - 1, 0))",
        # An epoch is four steps, so the fifth is the first with another rate.
        ["mnist_mlp", "--batch_size=400", "--decay=0.5"],
        (5, False, ["W_fc1", "b_fc1", "W_fc2", "b_fc2", "W_fc3", "b_fc3"], "a step early or late"),
    ),
    "moving averages moved twice": (
        "tf2_style/training/layers.py",
        "((self.mean, mean), (self.variance, variance)):",
        "((self.mean, mean), (self.variance, variance)) * 2:",
        ["mnist_convnet", "--batch_norm"],
        (1, False, ["moving_mean", "moving_variance"], "Only batch norm's moving averages differ"),
    ),
    "VALID for SAME": (
        "tf2_style/mnist_convnet.py",
        "h_conv1 = conv2d(x_image, self.W_conv1)",
        "h_conv1 = tf.nn.conv2d(x_image, self.W_conv1, 1, 'VALID')",
        ["mnist_convnet"],
        (1, True, None, "a layer's padding"),
    ),
    "dropout in evaluation": (
        "tf2_style/training/trainer.py",
        "self.forward(batch, 1.0, training=False)",
        "self.forward(batch, 0.5, training=False)",
        ["mnist_deep"],
        (5, False, ["logits"], "dropout is still on"),
    ),
    "dropout in the evaluation of a run that ends early": (
        "tf2_style/training/trainer.py",
        "self.forward(batch, 1.0, training=False)",
        "self.forward(batch, 0.999, training=False)",
        # Two epochs of two steps, at a rate that changes nothing; so the second is no better.
        ["mnist_mlp", "--batch_size=1200", "--early_stopping", "--learning_rate=1e-30"],
        (4, False, ["logits"], "dropout is still on"),
    ),
    "a number that changes nothing": (
        "tf2_style/training/classifier.py",
        'tf.argmax(targets["labels"], 1)',
        'tf.argmax(2 * targets["labels"], 1)',
        ["mnist_deep"],
        None,
    ),
}


def copy_with(tmp_path, file, old, new):
    """A copy of the TF2 twin with one change in it."""
    for folder in ("shared", "tf2_style"):
        shutil.copytree(ROOT / folder, tmp_path / "copy" / folder)
    text = (tmp_path / "copy" / file).read_text()
    assert text.count(old) >= 1
    (tmp_path / "copy" / file).write_text(text.replace(old, new))


@pytest.mark.proof
@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_finds_what_people_get_wrong(run, tmp_path, mistake):
    *change, (name, *flags), expected = MISTAKES[mistake]
    copy_with(tmp_path, *change)
    commands = []
    for side, path in (
        ("reference", script(STYLES[0], name)),
        ("candidate", script(STYLES[1], name)),
    ):
        path = tmp_path / "copy" / path.relative_to(ROOT) if side == "candidate" else path
        line = [sys.executable, path, "--dataset=digits", "--max_steps=5", "--nolog", *flags]
        commands.append(f"--{side}={shlex.join(map(str, line))}")
    # Each finds its own modules beside it.
    process = run("-m", "compare", "parity", *commands, check=False)
    (path,) = (tmp_path / "runs").glob("parity/commands/parity.json")
    report = json.loads(path.read_text())
    if not expected:
        assert process.returncode == 0 and report["verdict"] == "bit-identical"
        return
    step, with_loss, tensors, text = expected
    assert process.returncode == 1, process.stderr
    assert report["first_difference"]["step"] == step
    assert bool(report["first_difference"]["losses"]) == with_loss
    differing = {distance["name"] for distance in report["distances"]}
    assert differing == set(report["first_difference"]["tensors"])
    if tensors is None:
        # All weights, each with two slots.
        assert len(differing) == {"mnist_deep": 24, "mnist_convnet": 30}[name]
    else:
        assert {
            tensor for tensor in tensors for name in differing if name.endswith(f"/{tensor}")
        } == set(tensors)
    if mistake in ("another seed", "bias not trained", "dropout in evaluation") or name in (
        "mnist_softmax",
        "mnist_mlp",
    ):
        assert len(differing) == len(tensors)
    if mistake == "moving averages moved twice":
        assert len(differing) == 4 * len(tensors)
    assert text in " ".join(process.stdout.split())
