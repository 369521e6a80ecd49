"""TensorBoard on the logs of both styles, in a real browser: what a user sees of them.

TWINS_SCREENSHOTS names a folder to keep pictures of it in.
"""

import os
import re
import subprocess
import sys
import time

import pytest
from conftest import STYLES, script

from shared.console import quiet_import

with quiet_import():
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

pytestmark = pytest.mark.browser

BOXES = {
    "mnist_deep": "input conv1 pool1 conv2 pool2 fc1 dropout fc2 loss accuracy train",
    "mnist_softmax": "input softmax loss accuracy train",
}
RUNS = [f"{style}/{name}" for style in STYLES for name in BOXES]

# Put before every script: all elements that match, in shadow roots too, which a plain selector does
# not enter; and the element that draws the graph.
PRELUDE = """
function found(selector, node = document.body) {
  return [...(node.shadowRoot ? [node.shadowRoot] : []), ...node.children].flatMap(
    child => [...(child.matches?.(selector) ? [child] : []), ...found(selector, child)]);
}
const scene = ['tf-graph-board', 'tf-graph', 'tf-graph-scene'].reduce(
  (element, name) => element?.shadowRoot?.querySelector(name),
  document.querySelector('tf-graph-dashboard'));
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder of logs: both scripts in both styles, and two graphs that are broken."""
    folder = tmp_path_factory.mktemp("logs")
    for run in RUNS:
        command = [sys.executable, script(*run.split("/")), "--dataset=digits", "--max_steps=30"]
        command += ["--eval_every=10", "--summary_every=10", f"--log_dir={folder}"]
        command += [f"--run_dir={folder.with_name('runs') / run}"]
        subprocess.run(command, check=True, capture_output=True)
    (whole,) = (folder / "tf2_style" / "mnist_deep").glob("events.out.tfevents.*")
    nodes = graph_in(whole).node
    write_graph(folder / "z_broken" / "empty", [])
    lacking = [node for node in nodes if not node.name.startswith("conv2/")]
    write_graph(folder / "z_broken" / "without_conv2", lacking)
    return folder


def graph_in(path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "graphs":
                return GraphDef.FromString(value.tensor.string_val[0])
    raise ValueError(f"no graph in {path}")


def write_graph(folder, nodes):
    writer = EventFileWriter(str(folder))
    writer.add_event(Event(graph_def=GraphDef(node=nodes).SerializeToString()))
    writer.close()


@pytest.fixture(scope="module")
def board(logs, browser):
    """Opens a dashboard of a TensorBoard on the logs; returns the browser, with it drawn."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logs}", "--port=0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            url = next(match[0] for match in map(re.compile(r"http://\S+").search, lines) if match)

            def board(dashboard):
                browser.get("about:blank")  # or a change after the # would not load it anew
                browser.get_log("browser")  # forgets what was said before
                browser.get(f"{url}#{dashboard}")
                return browser

            yield board
        finally:
            process.terminate()


def evaluate(browser, expression, *arguments):
    return browser.execute_script(f"{PRELUDE} return {expression}", *arguments)


def wait_for(browser, expression, what, seconds=60):
    """Waits until an expression is true; fails if it never is."""
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    try:
        WebDriverWait(browser, seconds).until(lambda _: evaluate(browser, f"Boolean({expression})"))
    except TimeoutException:
        raise AssertionError(f"{what}: not to be seen after {seconds} s") from None


def keep_picture(browser, name):
    folder = os.environ.get("TWINS_SCREENSHOTS")
    if folder:
        time.sleep(2)  # until nothing moves any more
        browser.save_screenshot(os.path.join(folder, f"{name}.png"))


def drawn_boxes(browser, run, seconds=60):
    """Chooses a run in the graph dashboard; returns the names of what it draws at the top level.

    The dashboard draws the first run by itself, whatever the address says. What it drew stays until
    another graph is drawn, and for good where none can be: so it has to be another object.
    """
    wait_for(browser, "scene?.renderHierarchy", "a first graph")
    if run == evaluate(browser, "found('paper-item.iron-selected')[0].textContent.trim()"):
        switch(browser, next(name for name in RUNS if name != run))
    switch(browser, run, seconds)
    names = "found('g.node', scene.shadowRoot).map(node => node.getAttribute('data-name'))"
    return [name for name in evaluate(browser, names) if "/" not in name]


def switch(browser, run, seconds=60):
    evaluate(browser, "void (window.before = scene.renderHierarchy)")
    item = "found('paper-item').find(item => item.textContent.trim() === arguments[0])"
    evaluate(browser, f"{item}.click()", run)
    changed = "scene.renderHierarchy && scene.renderHierarchy !== window.before"
    wait_for(browser, changed, f"the graph of {run}", seconds)


@pytest.mark.parametrize("run", RUNS)
def test_graph_shows_its_boxes(board, run):
    browser = board("graphs")
    assert sorted(drawn_boxes(browser, run)) == sorted(BOXES[run.split("/")[1]].split())
    keep_picture(browser, f"graph_{run.replace('/', '_')}")


def test_graph_that_lacks_a_layer_is_told(board):
    drawn = drawn_boxes(board("graphs"), "z_broken/without_conv2")
    assert sorted(drawn) == sorted(set(BOXES["mnist_deep"].split()) - {"conv2"})


def test_empty_graph_is_told(board):
    """And not taken for the one that was drawn before, which still stands there."""
    browser = board("graphs")
    with pytest.raises(AssertionError, match="the graph of z_broken/empty: not to be seen"):
        drawn_boxes(browser, "z_broken/empty", seconds=10)
    assert evaluate(browser, "scene.renderHierarchy === window.before")


PROJECTOR = "found('iframe')[0]?.contentDocument.querySelector('iframe')?.contentDocument.body"
DRAWN = {
    "timeseries": "found('scalar-card line-chart').length >= 3 && "
    "found('tb-data-table-content-row').length >= 4",
    "scalars": "found('path.line').filter(line => line.getAttribute('d')).length >= 2 * 4",
    "images": "found('img').filter(image => image.naturalWidth >= 320).length === 3 * 4",
    "distributions": "found('path.area').length >= 4",
    "histograms": "found('vz-histogram-timeseries').length && found('path.outline').length >= 4",
    "hparams": "/accuracy.test.*tf[12]_style/s.test(found('vaadin-grid').map(g => g.textContent))",
    # Its dialog says that it is at work on the principal components.
    "projector": f"{PROJECTOR} && found('.numDataPoints', {PROJECTOR})[0]?.textContent === '400' "
    f"&& !found('paper-dialog', {PROJECTOR}).some(dialog => dialog.opened)",
}


@pytest.mark.parametrize("dashboard", DRAWN)
def test_dashboards_draw(board, dashboard):
    """All four runs' data, and without an error in the console."""
    browser = board(dashboard)
    wait_for(browser, DRAWN[dashboard], dashboard)
    keep_picture(browser, dashboard)
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
