"""parity old.py new.py --report and --log_dir: the page and the graphs of a pair."""

import os
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from compare.parity import drawings, graphs, lines, page
from shared import recorder, trace

OLD = "import tensorflow as tf\n" + "# old\n" * 60 + "h = tf.nn.relu(x)\nh = tf.nn.max_pool(h)\n"
NEW = "import tensorflow as tf\n" + "# new\n" * 70 + "h = relu(x)\nh = avg_pool(h)\n<b>&\n"


class Page(HTMLParser):
    """Collects ids, links and text."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            elif name in ("href", "src"):
                self.links.append(value)

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def pair(tmp_path):
    """The report of two programs that part in their pooling, and what has run."""
    values = np.random.RandomState(0).randn(3, 4, 2, 4).astype(np.float32)
    operations = []
    for name, text, at, kind, last in (
        ("old", OLD, 62, "MaxPool", values.max(1)),
        ("new", NEW, 72, "AvgPool", values.mean(1)),
    ):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        made = recorder.OperationsFile(str(tmp_path / f"{name}.npz"), 1)
        made.write(
            [
                {"name": "x", "type": "Placeholder", "line": "", "inputs": []},
                {"name": "a/Relu", "type": "Relu", "line": f"{path}:{at}", "inputs": [0]},
                {"name": "b", "type": kind, "line": f"{path}:{at + 1}", "inputs": [1]},
                {"name": "b", "type": "Tanh", "line": "", "inputs": [2]},
            ],
            [values, np.maximum(values, 0), last, np.tanh(last)],
        )
        operations.append(lines.Operations(str(tmp_path / f"{name}.npz")))
    located = lines.locate(*operations)
    sides = []
    for name, rate in (("a", 0.1), ("b", 0.2)):
        made = trace.Trace(str(tmp_path / f"{name}.npz"), values_at=[0, 1])
        weights = {"w": values[0] * rate, "constants/SGD/learning_rate": np.float32(rate)}
        made.record(0, None, weights)
        made.record(1, 2.0, weights)
        made.save()
        sides.append(trace.load(made.path))
    report = {
        "reference": "old.py",
        "candidate": "new.py",
        "verdict": "different",
        "mapping": {"w": "w"},
        "transposed": [],
        "alone": [[], ["extra"]],
        "tensors": {"w": 3.0},
        "located": {"reference": vars(located.reference), "candidate": vars(located.candidate)},
    }
    runs = SimpleNamespace(
        pair=[SimpleNamespace(path=str(tmp_path / f"{name}.py")) for name in ("old", "new")],
        compared=(*sides, 1),
        seen_operations=lambda: operations,
    )
    return report, runs, operations


@pytest.fixture
def written(pair, tmp_path):
    path = tmp_path / "page" / "report.html"
    page.check(str(path))
    page.write(str(path), *pair[:2], ["they part at step 1: the loss, 1 and 2", "why: <pooling>"])
    page.check(str(path))  # it may be replaced
    return path


def test_the_page_of_a_pair(written):
    text = written.read_text()
    found = Page(text)
    assert "they part at step 1" in found.text and "why: <pooling>" in found.text
    assert "<b>&" in found.text and "extra" in found.text
    assert len(set(found.ids)) == len(found.ids)
    assert all(link[1:] in found.ids for link in found.links) and found.links
    assert {"#reference-old-py-63", "#candidate-new-py-73"} <= set(found.links)  # in the verdict
    assert {"#reference-old-py-62", "#candidate-new-py-72"} <= set(found.links)  # linked relus
    marked = re.findall(r'<div class="line marked" id="([^"]+)"', text)
    assert marked == ["reference-old-py-63", "candidate-new-py-73"]
    assert "SGD/learning_rate ≠" in found.text and "0.1" in found.text
    assert "the first operation that differs" in found.text and text.count('class="heat"') == 2
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(written, browser, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(f"file://{written}")
    shown = browser.execute_script(
        "return [...document.querySelectorAll('.pane')].map(pane => {"
        " const box = pane.getBoundingClientRect();"
        " const line = pane.querySelector('.marked').getBoundingClientRect();"
        " return pane.scrollTop > 0 && line.top >= box.top && line.bottom <= box.bottom; })"
    )
    assert shown == [True, True]
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    beside = browser.execute_script(
        "const [a, b] = document.querySelectorAll('.side'); return a.offsetTop === b.offsetTop"
    )
    assert beside == (width > 1000)
    assert not browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_drawings_of_odd_tensors():
    nothing = np.array([np.nan, np.inf])
    assert drawings.histogram(nothing, nothing) == ""
    same = np.full((2, 2), 3.0)
    assert drawings.histogram(same, same).count("<rect") == 2
    assert drawings.heat_map(nothing).count('opacity="0.00"') == 2
    large = np.zeros((100, 70))
    large[99, 69] = 1
    drawn = drawings.heat_map(large)
    assert drawn.count("<rect") == 32 * 32 and drawn.count('opacity="1.00"') == 1


def test_the_graphs_for_tensorboard(pair, tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    report, _, operations = pair
    for _ in range(2):  # the second replaces the first
        graphs.write(str(tmp_path / "logs"), report, operations)
    for name, last in (("reference", "MaxPool"), ("candidate", "AvgPool")):
        (file,) = os.listdir(tmp_path / "logs" / name)
        events = list(LegacyEventFileLoader(str(tmp_path / "logs" / name / file)).Load())
        (event,) = [event for event in events if event.graph_def]
        nodes = {node.name: node for node in GraphDef.FromString(event.graph_def).node}
        assert list(nodes) == ["x", "a/Relu", "parts_here/b", "b"]
        assert [node.device for node in nodes.values()] == [
            graphs.AGREES,
            graphs.AGREES,
            graphs.FIRST,
            graphs.DIFFERS,
        ]
        assert nodes["parts_here/b"].op == last and nodes["b"].input == ["parts_here/b"]
        assert nodes["a/Relu"].attr["same_values_as"].s == b"a/Relu"
        assert (
            nodes["parts_here/b"]
            .attr["line"]
            .s.endswith(b".py:63" if last == "MaxPool" else b":73")
        )


@pytest.mark.parametrize("option", ["--report=a.html", "--log_dir=logs", "--suggest"])
def test_options_that_need_two_programs(run, option):
    process = run("-m", "compare", "parity", "a.npz", "b.npz", option, check=False)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert f"{option.partition('=')[0]}: expected with it two programs" in process.stderr
