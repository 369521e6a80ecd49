"""`python -m compare report`, from outside: the page as a file, and in a browser."""

import json
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import script
from hypothesis import example, given
from hypothesis import strategies as st

from compare import report
from compare.report import guide, pairs, reading, sources
from shared.console import UserError

SEEDS = {"tf1": ("tf1_style", 0), "tf2": ("tf2_style", 0), "other": ("tf2_style", 1)}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder of three short runs: twins, and one of another seed."""
    root = tmp_path_factory.mktemp("runs")
    for name, (style, seed) in SEEDS.items():
        command = [sys.executable, script(style, "mnist_deep"), "--dataset=digits"]
        command += [f"--run_dir={root / name}", f"--seed={seed}", "--max_steps=3"]
        command += ["--eval_every=1", "--summary_every=2", f"--trace_file={root / name}/trace.npz"]
        subprocess.run(command, check=True, capture_output=True)
    return root


@pytest.fixture
def runs(recorded, tmp_path):
    """A copy of them, for a test to change."""
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
        return [held[name] for _, held in self.elements if held.get(name)]

    def alternatives(self):
        return [held["alt"] for tag, held in self.elements if tag == "img"]


@pytest.fixture
def write(runs, tmp_path):
    """Writes the report of the runs of these names, and returns it as it is parsed."""

    def write(*names):
        report.write([str(runs / name) for name in names], str(tmp_path / "report.html"))
        return Page(tmp_path / "report.html")

    return write


def result(run_dir, **changes):
    """Returns the result of a run, after some changes to it."""
    path = run_dir / "result.json"
    held = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(held))
    return held


def test_twins(run, runs, tmp_path):
    process = run("-m", "compare", "report", runs / "tf1", runs / "tf2")
    assert process.stdout == "runs/report.html\n" and process.stderr == ""
    path = tmp_path / "runs" / "report.html"
    page = Page(path)
    assert path.stat().st_size < 1.5e6
    assert "Accuracy ✓ holds" in page.text and "Parity ✓ holds" in page.text
    assert f"both styles: {result(runs / 'tf1')['test_accuracy']:.4f} " in page.text
    assert "both styles: no bar is set for 3 steps on digits" in page.text
    assert "bit-identical: loss and 8 variables over 4 steps (0 to 3)" in page.text
    assert "not given the same" not in page.text and "stands alone" not in page.text
    for name in ("tf1", "tf2"):
        held = result(runs / name)
        assert held["device"] in page.text and held["versions"]["tensorflow"] in page.text
        assert shlex.join(["python", *held["command"]]) in page.text
    alternatives = page.alternatives()
    assert all(alternatives)
    assert sum("labelled" in text for text in alternatives) == 25  # once, as both make the same
    loss = next(text for text in alternatives if text.startswith("Loss by step"))
    assert "In both styles training goes from " in loss
    assert "The difference, validation, is exactly 0 at all 3 steps." in loss
    for name in ("mnist_deep", *sources.MACHINERY):
        assert f"tf1_style/{name}.py" in page.text and f"tf2_style/{name}.py" in page.text


def test_a_trace_of_an_earlier_run_is_not_believed(runs, write):
    """As after --restart with --trace_file elsewhere, or without."""
    for trace_file in ("../trace.npz", ""):
        result(runs / "tf2", trace_file=trace_file)
        assert "Parity – cannot be told not recorded" in write("tf1", "tf2").text


def test_what_is_no_event_file_is_passed_over(runs, write):
    (runs / "tf1" / "events.out.tfevents.1").mkdir()
    (runs / "tf1" / "events.out.tfevents.2").symlink_to("nowhere")
    assert "is exactly 0 at all 3 steps." in " ".join(write("tf1", "tf2").alternatives())


def test_confusion():
    """Rows are labels: a 3 that is taken for a 5 is not a 5 that is taken for a 3."""
    logits = np.eye(10, dtype=np.float32)[[3, 5, 5, 7]]
    arrays = {"labels": np.array([3, 3, 3, 7], np.uint8), "logits": logits}
    confusion = pairs._confusion(reading.Run("", {}, arrays, {}))
    assert confusion.counts[3][5] == 2 and confusion.counts[5][3] == 0 and confusion.largest == 2
    assert confusion.text.startswith("2 of 4 test images")
    assert "most often 3 for 5, 2 times" in confusion.text


def test_another_seed(write):
    page = write("tf1", "other")
    assert "The two were not given the same, so they need not agree: seed 0 and 1." in page.text
    assert "Parity ✗ does not hold" in page.text and "they part at step 0" in page.text
    assert "start at other values: another seed" in page.text
    loss = next(text for text in page.alternatives() if text.startswith("Loss by step"))
    assert "The difference, training, is largest at step" in loss and "exactly 0" not in loss
    assert sum("labelled" in text for text in page.alternatives()) == 50


def test_runs_are_paired_in_their_order(write):
    page = write("other", "tf1", "tf2")
    assert "seed 0 and 1" in page.text
    assert page.text.count("Of tf1_style no run of mnist_deep was given") == 1


def test_a_run_without_its_twin(write, runs):
    for path in (runs / "tf2").glob("events.*"):
        path.unlink()
    result(runs / "tf2", log_dir=None, steps_per_second=None, restored="elsewhere")
    page = write("tf2")
    assert "Of tf1_style no run of mnist_deep was given: this one stands alone" in page.text
    assert "Parity – cannot be told" in page.text
    assert "The runs left no summaries to draw" in page.text


def test_a_moved_run_is_not_taken_for_what_has_its_old_place(write, runs):
    shutil.copytree(runs / "tf1", runs / "moved")
    shutil.rmtree(runs / "tf1")
    (runs / "other").rename(runs / "tf1")
    assert "exactly 0 at all 3 steps" in " ".join(write("moved", "tf2").alternatives())


def test_accuracies_that_differ(write, runs):
    result(runs / "tf1", step=400, test_accuracy=0.9)
    result(runs / "tf2", step=400, test_accuracy=0.88)
    page = write("tf1", "tf2")
    assert "Accuracy ✗ does not hold tf1_style: 0.9000 tf2_style: 0.8800" in page.text
    assert "they differ by -0.0200 tf1_style: within the bar, 0.89 to 0.951" in page.text
    assert "tf2_style: 0.0100 below the bar, 0.89 to 0.951" in page.text
    result(runs / "tf2", test_accuracy=0.9)
    page = write("tf1", "tf2")
    assert "Accuracy ✓ holds both styles: 0.9000 both styles: within the bar" in page.text
    assert "Accuracy ✓ holds tf1_style: 0.9000 tf1_style: within the bar" in write("tf1").text


def test_traces_that_are_missing_or_damaged(write, runs):
    (runs / "tf1" / "trace.npz").write_bytes(b"PK")
    assert "Parity – cannot be told" in write("tf1", "tf2").text
    (runs / "tf1" / "trace.npz").unlink()
    page = write("tf1", "tf2")
    assert "Parity – cannot be told not recorded" in page.text
    assert "python -m compare parity mnist_deep --dataset=digits" in page.text


def test_no_mistake_at_all(write, runs):
    with np.load(runs / "tf1" / "evaluation.npz") as file:
        arrays = dict(file)
    arrays["logits"] = np.eye(10, dtype=np.float32)[arrays["labels"]]
    arrays["mistakes"], arrays["images"] = arrays["mistakes"][:0], arrays["images"][:0]
    np.savez(runs / "tf1" / "evaluation.npz", **arrays)
    assert "0 of 400 test images are taken for another class" in write("tf1").text


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

### About what is the same

[tf1_style/mnist_deep.py, line 2](../tf1_style/mnist_deep.py#L2)
"""


def test_links_to_the_guide(write, tmp_path, monkeypatch):
    monkeypatch.setattr(guide, "PATH", tmp_path / "migration.md")
    assert "migration guide" not in write("tf1", "tf2").text
    guide.PATH.write_text(GUIDE)
    page = write("tf1", "tf2")
    assert "Guide: Placeholders become arguments" in page.text
    assert "About what is the same" not in page.text
    assert "See the docs, a picture and" in page.text and "# a < b" in page.text
    links = page.attributes("href")
    assert links.count("#guide-1") == 1 and links.count("#tf1_style-mnist_deep-1") == 1
    assert {link.removeprefix("#") for link in links} <= {"data:,", *page.attributes("id")}


LINES = st.lists(st.sampled_from(["", ")", "a", "b", "a b", "a b c", "x = f(a, b)", "x = f(a, c)"]))


@given(LINES, LINES)
@example(["", "a b"], ["a c b", ""])
def test_alignment(left, right):
    """Both files are there whole, in their order; equal lines are said to be, and no others."""
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
    (no_result, "result.json: No such file or directory; expected the folder of a run"),
    (broken_result, "result.json: not the result of a run"),
    (old_result, "result.json: script, style, step, threads, flags, device"),
    (no_evaluation, "evaluation.npz is missing; run it again"),
    (broken_evaluation, "evaluation.npz: not what a run writes"),
    (other_array, "evaluation.npz: not what a run writes"),
    (other_labels, "evaluation.npz: not what a run writes"),
    (another_folder, "result.json: No such file or directory"),
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
        (["nowhere"], "nowhere/result.json: No such file"),
        (["runs/tf1", "--output=runs/tf1/result.json/x"], "could not write"),
        (["runs/tf1", "--output=runs"], "could not write runs: "),
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

WIDTHS = {"desktop": 1280, "phone": 390}
# All of these would reach for the network, or trouble a reader.
BROKEN = """<!DOCTYPE html><title>broken</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script>console.error("this is wrong")</script>
<img src="http://127.0.0.1:9/picture.png">
<div class="scroll" tabindex="-1" style="overflow-x: auto"><div style="width: 3000px">a</div></div>
<div style="width: 2000px">b</div>
"""


def faults(browser, path, width):
    """Opens a page in a window of that width; returns what is wrong with it."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
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
    # Not to innerWidth: what is too wide for a phone makes that wider.
    if browser.execute_script("return document.scrollingElement.scrollWidth") > width:
        found.append("the page scrolls sideways")
    found += browser.execute_script(WITHOUT_TEXT) + unreached(browser)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return found


WITHOUT_TEXT = """
return [...document.querySelectorAll("img, svg")]
  .filter(image => !(image.alt || image.getAttribute("aria-label")))
  .map(image => "no text: " + image.outerHTML.slice(0, 60))
"""
REACHABLE = """
return [...document.querySelectorAll(".scroll, summary, a")]
  .filter(element => element.checkVisibility()).length
"""
NOTE_FOCUS = """
window.reached = new Set();
document.addEventListener("focusin", event => reached.add(event.target));
"""


def unreached(browser):
    """Returns what the Tab key does not come to, of what is to be opened, followed or scrolled."""
    from selenium.webdriver import ActionChains, Keys

    browser.execute_script(NOTE_FOCUS)
    count = browser.execute_script(REACHABLE)
    ActionChains(browser).send_keys(*[Keys.TAB] * count).perform()
    missing = count - browser.execute_script("return reached.size")
    return [f"{missing} of {count} are out of the keyboard's reach"] if missing else []


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_the_page_in_a_browser(browser, write, tmp_path, width, monkeypatch):
    monkeypatch.setattr(guide, "PATH", tmp_path / "migration.md")
    guide.PATH.write_text(GUIDE)
    write("tf1", "tf2", "other")
    assert faults(browser, tmp_path / "report.html", width) == []


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_a_broken_page_is_seen(browser, tmp_path, width):
    (tmp_path / "broken.html").write_text(BROKEN)
    found = "\n".join(faults(browser, tmp_path / "broken.html", width))
    assert "this is wrong" in found and "request: http://127.0.0.1:9/picture.png" in found
    assert "sideways" in found and "no text: <img" in found and "1 of 1 are out" in found


@pytest.mark.browser
def test_the_policy_forbids_requests(browser, write, tmp_path):
    """Were there an image on the network in the page, the browser would not fetch it."""
    write("tf1")
    path = tmp_path / "report.html"
    path.write_text(path.read_text().replace("</main>", '<img alt="a" src="http://127.0.0.1:9/a">'))
    assert "violates the following Content Security Policy" in faults(browser, path, 1280)[0]


@pytest.mark.browser
def test_print_shows_what_is_folded_up(browser, write, tmp_path):
    write("tf1", "tf2")
    browser.get((tmp_path / "report.html").as_uri())
    seen = "return [...document.querySelectorAll('details table')].map(e => e.checkVisibility())"
    assert set(browser.execute_script(seen)) == {False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert set(browser.execute_script(seen)) == {True}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
