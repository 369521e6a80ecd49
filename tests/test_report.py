"""`python -m compare report`: the page as a file, and in a browser."""

import contextlib
import io
import json
import re
import shutil
import sys
from html.parser import HTMLParser

import forks
import numpy as np
import pytest
from conftest import STYLES, script
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from compare import reading, report
from compare.report import charts, commands, guide, pairs, sources
from compare.report.words import some
from compare.runner import ROOT
from shared import flags
from shared.console import UserError

SEEDS = {"tf1": ("tf1_style", 0), "tf2": ("tf2_style", 0), "other": ("tf2_style", 1)}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder of three short runs: twins, and one with another seed."""
    root = tmp_path_factory.mktemp("runs")
    for name, (style, seed) in SEEDS.items():
        command = [script(style, "mnist_deep"), "--dataset=digits"]
        command += [f"--run_dir={root / name}", f"--seed={seed}", "--max_steps=3"]
        command += ["--eval_every=1", f"--trace_file={root / name}/trace.npz"]
        forks.run(command)
    return root


@pytest.fixture
def runs(recorded, tmp_path):
    """A copy of the runs, for a test to change."""
    return shutil.copytree(recorded, tmp_path / "runs")


class Page(HTMLParser):
    """A page's elements and its text."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(path.read_text())
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def attributes(self, name):
        return [found[name] for _, found in self.elements if found.get(name)]

    def alternatives(self):
        return [found["alt"] for tag, found in self.elements if tag == "img"]

    def loss_text(self):
        return next(text for text in self.alternatives() if text.startswith("Loss by step"))


@pytest.fixture
def write(runs, tmp_path):
    """Writes the report of the runs with these names; returns the parsed page."""

    def write(*names):
        report.write([str(runs / name) for name in names], str(tmp_path / "report.html"))
        return Page(tmp_path / "report.html")

    return write


def result(run_dir, **changes):
    """Changes the result of a run; returns it."""
    path = run_dir / "result.json"
    changed = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(changed))
    return changed


def test_twins(run, runs, tmp_path):
    process = run("-m", "compare", "report", runs / "tf1", runs / "tf2")
    assert process.stdout == "runs/report.html\n" and process.stderr == ""
    path = tmp_path / "runs" / "report.html"
    page = Page(path)
    assert path.stat().st_size < 1e6 and path.read_text().startswith("<!DOCTYPE html>")
    assert "Accuracy ✓ holds" in page.text and "Parity ✓ holds" in page.text
    assert f"equal in both styles: {result(runs / 'tf1')['test_accuracy']:.4f} " in page.text
    assert "both styles: no threshold is set for 3 steps on digits" in page.text
    assert "bit-identical: loss and 8 tensors at 4 steps (0 to 3)" in page.text
    assert "different settings" not in page.text and "cannot be compared" not in page.text
    for name in ("tf1", "tf2"):
        changed = result(runs / name)
        assert changed["device"] in page.text and changed["versions"]["tensorflow"] in page.text
    alternatives = page.alternatives()
    assert all(alternatives)
    assert sum("classified as" in text for text in alternatives) == 25  # once for both styles
    assert "In both styles training goes from " in page.loss_text()
    assert "The difference in validation is exactly 0 at all 4 steps." in page.loss_text()
    assert "training, both styles" in page.text


def test_every_pair_of_files_is_shown(write):
    """A link from the guide to any of them leads somewhere."""
    text = write("tf1", "tf2").text
    paths = {path.relative_to(ROOT / STYLES[0]) for path in (ROOT / STYLES[0]).rglob("*.py")}
    shared_paths = [path for path in paths if (ROOT / STYLES[1] / path).exists()]
    assert len(shared_paths) > 12
    for path in shared_paths:
        is_shown = f"tf1_style/{path}" in text and f"tf2_style/{path}" in text
        assert is_shown or path.stem == "__init__" or path.parts[0] == "run"


def test_commands_are_as_a_user_types_them(write, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = write("tf1", "other").text
    typed = "--dataset=digits --max_steps=3 --eval_every=1"
    assert f"python tf1_style/mnist_deep.py {typed} python tf2" in text
    assert "python tf2_style/mnist_deep.py --dataset=digits --max_steps=3 --seed=1 --eval" in text
    assert f"python -m compare parity mnist_deep {typed}" in text
    assert "python -m compare report runs/tf1 runs/other --output=report.html" in text
    assert str(tmp_path) not in text and str(ROOT) not in text and sys.executable not in text


COMMANDS = [
    ("mnist_deep", 20000, "--dataset=mnist --max_steps=20000 --run_dir=/runs/1", ""),
    ("mnist_deep", 300, "--run_dir=/runs/1", "--max_steps=300"),  # resumed without it
    ("mnist_deep", 5, "--max_steps 5 --nolog --data_dir /data", "--max_steps=5 --nolog"),
    ("mnist_deep", 5, "--max_steps=5 --trace_file=t --trace_every=2", "--max_steps=5"),
    ("mnist_convnet", 440, "--keep_prob=0.5", "--keep_prob=0.5"),
    ("mnist_mlp", 70, "--epochs=7 --hidden=3,2 --nocsv_log", "--hidden=3,2 --epochs=7 --nocsv_log"),
    ("mnist_deep", 9, "--max_steps=9 --restore=/a/b", "--max_steps=9 --restore=path/to/b"),
    ("mnist_deep", 9, "--gone=1 --run_dir=/runs/1 --help", "--gone=1"),
    ("gone", 9, "--max_steps=9", "--max_steps=9"),
]


@pytest.mark.parametrize(("name", "step", "typed", "expected"), COMMANDS)
def test_command_of_a_run(name, step, typed, expected):
    """Without defaults, without folders; with the steps that a resumed run took from before."""
    argv = [f"/home/me/tf1_style/{name}.py", *typed.split()]
    result = {"style": "tf1_style", "script": name, "step": step, "command": argv}
    assert commands.of_run(result) == f"python tf1_style/{name}.py {expected}".strip()
    assert commands.of_parity(result) == f"python -m compare parity {name} {expected}".strip()


CADENCES = [
    (["--max_steps=200"], 20),
    (["--max_steps=7"], 1),
    (["--max_steps=999"], 99),
    (["--max_steps=1000"], 1000),
    (["--max_steps=20000"], 1000),
    (["--epochs=1"], 55),
    (["--max_steps=200", "--summary_every=150"], 150),
    (["--max_steps=200", "--summary_every=0"], 0),
]


@pytest.mark.parametrize(("arguments", "every"), CADENCES)
def test_short_runs_are_measured_ten_times(arguments, every):
    defaults = {"max_steps": 1, "batch_size": 100, "optimizer": "sgd", "learning_rate": 0.1}
    parsed = flags.parse(["program", *arguments], "", **defaults)
    flags.count_steps(parsed, 55000)
    assert parsed.summary_every == every


def test_a_default_of_the_program_is_never_raised():
    defaults = {"max_steps": 1, "batch_size": 100, "optimizer": "sgd", "learning_rate": 0.1}
    parsed = flags.parse(["program", "--max_steps=900"], "", **defaults, summary_every=50)
    flags.count_steps(parsed, 55000)
    assert parsed.summary_every == 50


def test_a_trace_of_an_earlier_run_is_not_used(runs, write):
    """After --restart without --trace_file, or with another."""
    for trace_file in ("../trace.npz", ""):
        result(runs / "tf2", trace_file=trace_file)
        assert "Parity – unknown not recorded" in write("tf1", "tf2").text


def test_other_files_with_the_name_of_an_event_file_are_ignored(runs, write):
    (runs / "tf1" / "events.out.tfevents.1").mkdir()
    (runs / "tf1" / "events.out.tfevents.2").symlink_to("nowhere")
    assert "is exactly 0 at all 4 steps." in write("tf1", "tf2").loss_text()


def confusion(labels, predictions):
    logits = np.eye(10, dtype=np.float32)[predictions]
    arrays = {"labels": np.array(labels, np.uint8), "logits": logits}
    return pairs._confusion(reading.CompleteRun("", {}, arrays, {}))


def test_confusion():
    """Rows are labels: a 3 classified as 5 is not a 5 classified as 3."""
    found = confusion([3, 3, 3, 7], [3, 5, 5, 7])
    assert found.counts[3][5] == 2 and found.counts[5][3] == 0 and found.largest == 2
    assert found.text == "2 of 4 test images are classified wrongly, most often 3 as 5, 2 times"
    assert found.by_count == [(2, ["3 → 5"])]
    assert found.by_class[3] == (3, 3, 1, 1 / 3) and found.lowest == 1 / 3


def test_confusions_that_tie_are_named():
    found = confusion([1, 1, 2, 2, 3], [7, 7, 0, 0, 4])
    assert found.text.endswith("most often 1 as 7 and 2 as 0, 2 times each")
    assert found.by_count == [(2, ["1 → 7", "2 → 0"]), (1, ["3 → 4"])]
    found = confusion([1, 2, 3, 4, 5], [0, 0, 0, 0, 0])
    assert found.text.endswith("most often 1 as 0, 2 as 0, 3 as 0 and 2 others, once each")
    assert confusion([1], [1]).text == "0 of 1 test images are classified wrongly"
    assert confusion([1], [1]).largest == 0 and confusion([1], [1]).lowest == 1


def test_lists_in_sentences():
    assert some(["a"], "others") == "a"
    assert some(["a", "b"], "others") == "a and b"
    assert some(["a", "b", "c"], "others") == "a, b and c"
    assert some(["a", "b", "c", "d"], "others") == "a, b, c and d"
    assert some(["a", "b", "c", "d", "e"], "others") == "a, b, c and 2 others"


def scalar_runs(first, second):
    """Returns two runs that logged these training accuracies, by step."""
    for style, points in zip(STYLES, (first, second)):
        scalars = {"accuracy/training": points, "steps_per_second": {100: 5.0}}
        yield reading.CompleteRun("", {"style": style}, {}, scalars)


def test_differences_that_tie_are_named():
    runs = list(scalar_runs({0: 0.5, 1: 0.5, 2: 0.5}, {0: 0.5, 1: 0.25, 2: 0.75}))
    (chart,) = charts.learning_curves(runs)
    assert "The largest difference in training is 0.25, at steps 1 and 2." in chart.text
    assert chart.columns[1:] == [f"training, {s}" for s in ("tf1_style", "tf2_style", "difference")]
    runs = list(scalar_runs({0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.25}))
    (chart,) = charts.learning_curves(runs)
    assert "in training is at step 1: tf2_style is 0.25 below tf1_style." in chart.text


def test_a_curve_needs_two_points():
    assert charts.speed(list(scalar_runs({0: 0.5}, {0: 0.5}))) is None


def test_another_seed(write):
    page = write("tf1", "other")
    assert "have different settings, so their numbers may differ: seed 0 and 1." in page.text
    assert "Parity ✗ does not hold" in page.text and "first difference at step 0" in page.text
    assert "start with other values: another seed" in page.text
    assert "The largest difference in training is at step" in page.loss_text()
    assert "exactly 0" not in page.loss_text()
    assert sum("classified as" in text for text in page.alternatives()) == 50


def test_runs_are_paired_in_their_order(write):
    page = write("other", "tf1", "tf2")
    assert "seed 0 and 1" in page.text
    assert page.text.count("There is no run of mnist_deep in tf1_style") == 1


def test_a_run_without_its_twin(write, runs):
    for path in (runs / "tf2").glob("events.*"):
        path.unlink()
    result(runs / "tf2", log_dir=None, steps_per_second=None, restored="elsewhere")
    page = write("tf2")
    assert "There is no run of mnist_deep in tf1_style, so this run cannot be compared" in page.text
    assert "Parity – unknown" in page.text
    assert "The runs wrote no summaries to draw" in page.text


def test_a_moved_run_is_read_from_its_new_folder(write, runs):
    shutil.copytree(runs / "tf1", runs / "moved")
    shutil.rmtree(runs / "tf1")
    (runs / "other").rename(runs / "tf1")
    assert "exactly 0 at all 4 steps" in write("moved", "tf2").loss_text()


def test_accuracies_that_differ(write, runs):
    result(runs / "tf1", step=400, test_accuracy=0.9)
    result(runs / "tf2", step=400, test_accuracy=0.88)
    page = write("tf1", "tf2")
    assert "Accuracy ✗ does not hold tf1_style: 0.9000 tf2_style: 0.8800" in page.text
    assert "they differ by -0.0200 tf1_style: meets the threshold, 0.89 to 0.951" in page.text
    assert "tf2_style: 0.0100 below the " in page.text
    result(runs / "tf2", test_accuracy=0.9)
    page = write("tf1", "tf2")
    assert "Accuracy ✓ holds equal in both styles: 0.9000 both styles: meets the th" in page.text
    assert "Accuracy ✓ holds tf1_style: 0.9000 tf1_style: meets the thresh" in write("tf1").text


def test_traces_that_are_missing_or_damaged(write, runs):
    (runs / "tf1" / "trace.npz").write_bytes(b"PK")
    assert "Parity – unknown" in write("tf1", "tf2").text
    (runs / "tf1" / "trace.npz").unlink()
    page = write("tf1", "tf2")
    assert "Parity – unknown not recorded" in page.text
    assert "python -m compare parity mnist_deep --dataset=digits" in page.text


def test_no_mistake_at_all(write, runs):
    with np.load(runs / "tf1" / "evaluation.npz") as file:
        arrays = dict(file)
    arrays["logits"] = np.eye(10, dtype=np.float32)[arrays["labels"]]
    arrays["mistakes"], arrays["images"] = arrays["mistakes"][:0], arrays["images"][:0]
    np.savez(runs / "tf1" / "evaluation.npz", **arrays)
    assert "0 of 400 test images are classified wrongly" in write("tf1").text


def test_nothing_leaves_the_file(write):
    page = write("tf1", "tf2")
    identifiers = page.attributes("id")
    assert len(identifiers) == len(set(identifiers))
    for target in page.attributes("href") + page.attributes("src"):
        assert target.startswith("data:") or target.removeprefix("#") in identifiers
    assert not {"script", "link rel=stylesheet", "iframe"} & {tag for tag, _ in page.elements}


def test_what_a_run_says_is_only_text(write, runs):
    result(runs / "tf1", device="<script>alert(1)</script>")
    page = write("tf1", "tf2")
    assert "script" not in [tag for tag, _ in page.elements]
    assert "<script>alert(1)</script>" in page.text


def test_the_same_runs_give_the_same_file(write, tmp_path):
    write("tf1", "tf2")
    first = (tmp_path / "report.html").read_bytes()
    write("tf1", "tf2")
    assert (tmp_path / "report.html").read_bytes() == first


GUIDE = """\
# Guide

### Placeholders *become* arguments

See [the docs](https://example.com), ![a picture](x.png) and
[tf1_style/mnist_deep.py, line 1](../tf1_style/mnist_deep.py#L1-L2).

```python
x = tf.placeholder(tf.float32)  # a < b
```

### About equal lines

[tf1_style/mnist_deep.py, line 2](../tf1_style/mnist_deep.py#L2)
"""


def test_links_to_the_guide(write, tmp_path, monkeypatch):
    monkeypatch.setattr(guide, "PATH", tmp_path / "migration.md")
    assert "Migration guide" not in write("tf1", "tf2").text
    guide.PATH.write_text(GUIDE)
    page = write("tf1", "tf2")
    assert "Guide: Placeholders become arguments" in page.text
    assert "About equal lines" not in page.text
    assert "See the docs, a picture and" in page.text and "# a < b" in page.text
    links = page.attributes("href")
    assert links.count("#guide-1") == 1 and links.count("#tf1_style-mnist_deep-1") == 1
    assert {link.removeprefix("#") for link in links} <= {"data:,", *page.attributes("id")}


LINES = st.lists(st.sampled_from(["", ")", "a", "b", "a b", "a b c", "x = f(a, b)", "x = f(a, c)"]))


@given(LINES, LINES)
@example(["", "a b"], ["a c b", ""])
def test_alignment(left, right):
    """Every line of both files is there once, in order, with the right sign."""
    rows = list(sources.align(left, right))
    assert [left[i] for _, i, _ in rows if i is not None] == left
    assert [right[j] for _, _, j in rows if j is not None] == right
    for sign, i, j in rows:
        if sign == " ":
            assert left[i] == right[j]
        elif sign == "|":
            assert left[i] != right[j]
        else:
            assert (sign, None) in (("<", j), (">", i))


@given(LINES)
def test_alignment_of_the_same(lines):
    assert list(sources.align(lines, lines)) == [(" ", i, i) for i in range(len(lines))]


@given(st.text())
def test_colours_leave_the_text_as_it_is(text):
    class Text(HTMLParser):
        found = ""

        def handle_data(self, data):
            self.found += data

    lines = "".join(c for c in text if c.isprintable() or c == "\n")
    parser = Text()
    parser.feed("\n".join(sources.highlight(lines)))
    parser.close()
    assert parser.found.rstrip("\n") == lines.rstrip("\n")


def unfinished(folder):
    result(folder, status="stopped")


def no_result(folder):
    (folder / "result.json").unlink()


def broken_result(folder):
    (folder / "result.json").write_text("{")


def old_result(folder):
    (folder / "result.json").write_text('{"status": "complete"}')


def no_evaluation(folder):
    (folder / "evaluation.npz").unlink()


def broken_evaluation(folder):
    content = (folder / "evaluation.npz").read_bytes()
    (folder / "evaluation.npz").write_bytes(content[: len(content) // 2])


def other_array(folder):
    np.save(folder / "evaluation.npz", np.zeros(3))
    (folder / "evaluation.npz.npy").rename(folder / "evaluation.npz")


def other_labels(folder):
    with np.load(folder / "evaluation.npz") as file:
        arrays = dict(file)
    np.savez(folder / "evaluation.npz", **{**arrays, "labels": arrays["labels"] + 9})


def another_folder(folder):
    shutil.rmtree(folder)


MISTAKES = [
    (unfinished, "the run is stopped at step 3, expected a complete one"),
    (no_result, r"result.json: not the result of a run \(No such file or directory\); name the"),
    (broken_result, "result.json: not the result of a run"),
    (old_result, r"not the result of a run \(it lacks script, style, step, threads, flags\)"),
    (no_evaluation, "evaluation.npz is missing; run it again"),
    (broken_evaluation, "evaluation.npz: not what a run writes"),
    (other_array, "evaluation.npz: not what a run writes"),
    (other_labels, "evaluation.npz: not what a run writes"),
    (another_folder, r"result.json: not the result of a run \(No such file or directory\)"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m.__name__ for m, _ in MISTAKES])
def test_what_is_no_complete_run(runs, tmp_path, mistake, message):
    mistake(runs / "tf2")
    with pytest.raises(UserError, match=message) as raised:
        report.write([str(runs / "tf1"), str(runs / "tf2")], str(tmp_path / "report.html"))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: RUN"),
        (["nowhere"], "nowhere/result.json: not the result of a run (No such file"),
        (["runs/tf1", "--output=runs/tf1/result.json/x"], "result.json is not a folder"),
        (["runs/tf1", "--output=runs"], "--output=runs: a folder, expected the path of a file"),
    ],
)
def test_errors_are_one_line(run, runs, arguments, message):
    before = sorted(runs.rglob("*"))
    process = run("-m", "compare", "report", *arguments, check=False)
    assert process.returncode == 2 and process.stdout == ""
    assert message in process.stderr and process.stderr.count("\n") == 1
    assert sorted(runs.rglob("*")) == before


def test_other_commands_do_without_its_libraries(run):
    heavy = {"matplotlib", "jinja2", "tensorboard", "tensorflow"}
    run("-c", f"import sys, compare.__main__; assert not {heavy} & set(sys.modules)")


WITHOUT_TENSORFLOW = (
    "import sys; from compare import report; report.write(sys.argv[1:], 'report.html'); "
    "assert 'tensorflow' not in sys.modules"
)


def test_it_reads_without_tensorflow(run, runs):
    run("-c", WITHOUT_TENSORFLOW, runs / "tf1", runs / "tf2")


# In a browser.

WINDOWS = [
    pytest.param(width, scheme, id=f"{device}-{scheme}")
    for width, device in ((1280, "desktop"), (390, "phone"))
    for scheme in ("light", "dark")
]
# Each line of the body has one fault of its own.
BROKEN = """<!DOCTYPE html><title>broken</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root { color-scheme: light dark; } body { background: Canvas; }</style>
<script>console.error("this is wrong")</script>
<img src="http://127.0.0.1:9/picture.png">
<div class="scroll" tabindex="-1" style="overflow-x: auto"><div style="width: 3000px">a</div></div>
<div style="overflow: hidden"><div style="width: 3000px">cut</div></div>
<p style="color: #888; background: #777">faint</p>
<div style="width: 2000px">b</div>
"""


@pytest.fixture(scope="module")
def page(recorded, tmp_path_factory):
    """The report of all runs: twins, and one without its twin."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.write([str(recorded / name) for name in ("tf1", "tf2", "other")], str(path))
    return path


@pytest.fixture(scope="module")
def page_of_twins(recorded, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.write([str(recorded / name) for name in ("tf1", "tf2")], str(path))
    return path


@contextlib.contextmanager
def window(browser, width, scheme):
    """Gives the browser a window of some width, with a light or dark colour scheme."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def faults(browser, path, width):
    """Opens a page in a window of that width; returns its faults."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # of a page before
    browser.get(path.as_uri())
    found = [f"console: {entry['message']}" for entry in browser.get_log("browser")]
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if url != path.as_uri() and not url.startswith("data:"):
                found.append(f"request: {url}")
    found += unreached(browser)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    # Not compared with innerWidth: a page too wide for a phone makes that wider.
    if browser.execute_script("return document.scrollingElement.scrollWidth") > width:
        found.append("the page scrolls sideways")
    return found + [fault for check in CHECKS for fault in browser.execute_script(check)]


WITHOUT_TEXT = """
return [...document.querySelectorAll("img, svg")]
  .filter(image => !(image.alt || image.getAttribute("aria-label")))
  .map(image => "no text: " + image.outerHTML.slice(0, 60))
"""
# Content wider than its box is cut off, or has a scroll bar that takes up room.
CUT_OFF = """
return [...document.querySelectorAll("body *")].flatMap(element => {
  const style = getComputedStyle(element);
  if (element.scrollWidth <= element.clientWidth + 1 || element.clientWidth < 2) return [];
  const border = parseFloat(style.borderTopWidth) + parseFloat(style.borderBottomWidth);
  const bar = element.offsetHeight - element.clientHeight - border;
  const name = element.outerHTML.slice(0, 60);
  if (style.overflowX === "hidden" || style.overflowX === "clip") return ["cut off: " + name];
  return style.overflowX === "visible" || bar >= 4 ? [] : ["no scroll bar: " + name];
})
"""
# The contrast of WCAG 2, for each element that holds text.
FAINT = """
const parse = color => color.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const background = element => {
  for (let e = element; e; e = e.parentElement) {
    const color = parse(getComputedStyle(e).backgroundColor);
    if (color.length < 4 || color[3] > 0) return color;
  }
  throw new Error("the page has no background");
};
return [...document.querySelectorAll("body *")].filter(element => element.checkVisibility()
    && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .flatMap(element => {
    const pair = [parse(getComputedStyle(element).color), background(element)].map(luminance);
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    return contrast < 4.5 ? [`faint (${contrast}): ${element.outerHTML.slice(0, 80)}`] : [];
  })
"""
CHECKS = (WITHOUT_TEXT, CUT_OFF, FAINT)
# A region that holds links scrolls as Tab moves through them.
REACHABLE = """
return [...document.querySelectorAll(".scroll:not(:has(a)), summary, a")]
  .filter(element => element.checkVisibility()).length
"""
NOTE_FOCUS = """
window.reached = new Set();
document.addEventListener("focusin", event => reached.add(event.target));
"""


def unreached(browser):
    """Returns the links, folds and scrolling regions that the Tab key does not reach."""
    from selenium.webdriver import ActionChains, Keys

    browser.execute_script(NOTE_FOCUS)
    count = browser.execute_script(REACHABLE)
    ActionChains(browser).send_keys(*[Keys.TAB] * count).perform()
    missing = count - browser.execute_script("return reached.size")
    return [f"{missing} of {count} are out of the keyboard's reach"] if missing else []


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_the_page_in_a_browser(browser, page, width, scheme):
    with window(browser, width, scheme):
        assert faults(browser, page, width) == []


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_a_broken_page_is_seen(browser, tmp_path, width, scheme):
    (tmp_path / "broken.html").write_text(BROKEN)
    with window(browser, width, scheme):
        found = "\n".join(faults(browser, tmp_path / "broken.html", width))
    assert "this is wrong" in found and "request: http://127.0.0.1:9/picture.png" in found
    assert "sideways" in found and "no text: <img" in found and "1 of 1 are out" in found
    assert 'cut off: <div style="overflow: hidden' in found
    assert re.search(r"faint \(1\.\d+\): <p", found)
    assert ("no scroll bar: <div" in found) == (width < 500)  # a phone hides its own


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_charts_in_the_colours_of_the_page(browser, page_of_twins, width, scheme):
    """Both lines are visible although the twins' curves coincide."""
    with window(browser, width, scheme):
        browser.get(page_of_twins.as_uri())
        drawn = browser.find_elements("css selector", ".charts img")
        pictures = [Image.open(io.BytesIO(chart.screenshot_as_png)) for chart in drawn]
    assert len(pictures) == 2
    for picture in pictures:
        counts = {
            name: share(picture, colors[scheme == "dark"])
            for name, colors in charts._COLORS.items()
        }
        assert counts["page"] > 0.5
        assert all(counts[f"{line}-{n}"] > 1e-4 for line in ("wide", "narrow") for n in (1, 2))


def share(picture, color):
    """Returns the share of pixels that have a colour, or nearly so."""
    distance = np.asarray(picture.convert("RGB"), int) - np.array(ImageColor.getrgb(color))
    return (abs(distance).max(axis=2) <= 12).mean()


UNDER_NAVIGATION = """
const bar = document.querySelector("nav").getBoundingClientRect();
const target = document.querySelector(arguments[0]).getBoundingClientRect();
return [bar.top, target.top - bar.bottom, target.top - innerHeight]
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_navigation_stays_in_view(browser, page_of_twins, width):
    """Each of its links leads to a heading below it."""
    url = page_of_twins.as_uri()
    with window(browser, width, "light"):
        browser.get(url)
        links = browser.execute_script(
            "return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))"
        )
        assert len(links) > 8
        for link in links:
            browser.get(url + link)
            top, below, beyond = browser.execute_script(UNDER_NAVIGATION, link)
            assert top == 0 or link == links[0]
            assert below >= 0 > beyond, link


@pytest.mark.browser
def test_the_guide_is_folded_and_opens_by_a_link(browser, write, tmp_path, monkeypatch):
    monkeypatch.setattr(guide, "PATH", tmp_path / "migration.md")
    guide.PATH.write_text(GUIDE)
    write("tf1", "tf2")
    browser.get((tmp_path / "report.html").as_uri())
    seen = "return document.querySelector('#guide-1').checkVisibility()"
    assert browser.execute_script(seen) is False
    browser.execute_script("document.querySelector('.guide a').click()")
    assert browser.execute_script(seen) is True


@pytest.mark.browser
def test_the_policy_forbids_requests(browser, write, tmp_path):
    """The browser does not fetch an image from the network if the page has one."""
    write("tf1")
    path = tmp_path / "report.html"
    path.write_text(path.read_text().replace("</main>", '<img alt="a" src="http://127.0.0.1:9/a">'))
    assert "violates the following Content Security Policy" in faults(browser, path, 1280)[0]


@pytest.mark.browser
def test_print_shows_folded_content(browser, page_of_twins):
    browser.get(page_of_twins.as_uri())
    seen = (
        "return [...document.querySelectorAll('details:not([open]) > :not(summary)')]"
        ".map(e => e.checkVisibility())"
    )
    assert set(browser.execute_script(seen)) == {False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert set(browser.execute_script(seen)) == {True}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
