"""parity --batches=reference: the candidate is fed what the reference was fed."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from rich.console import Console

from compare.parity import strangers
from compare.parity.names import Renaming
from shared.fed_batches import FedBatches

STRANGERS = ROOT / "tests" / "strangers"
IMAGES = np.arange(12, dtype=np.float32).reshape(3, 4)
LABELS = np.array([2, 0, 1])


@pytest.fixture
def fed():
    return FedBatches({"2/x": IMAGES, "2/y": LABELS, "3/x": -IMAGES})


def test_an_array_keeps_its_shape_and_type(fed):
    own = np.zeros((3, 2, 2, 1), np.float64), np.zeros((3, 1), np.int32)
    images, labels = fed.replaced(2, own)
    assert images.shape == (3, 2, 2, 1) and images.dtype == np.float64
    assert labels.dtype == np.int32 and labels.ravel().tolist() == [2, 0, 1]
    assert images.ravel().tolist() == IMAGES.ravel().tolist()
    assert fed.replaced(3, own)[0].min() == -11


def test_what_does_not_fit_stays(fed):
    other = np.ones(5, np.float32)
    assert fed.replaced(2, [other])[0] is other
    assert fed.replaced(9, [IMAGES])[0] is IMAGES
    halves = FedBatches({"1/x": np.array([0.5, 1.5])})
    whole = np.array([1, 2])
    assert halves.replaced(1, [whole])[0] is whole  # 0.5 is no whole number
    scalar = np.float32(0.5)
    assert FedBatches({"1/x": np.ones(1)}).replaced(1, [scalar])[0] == 0.5


def test_each_array_is_taken_once(fed):
    two = FedBatches({"1/a": IMAGES, "1/b": IMAGES + 1})
    first, second = two.replaced(1, [np.zeros((3, 4)), np.zeros((3, 4))])
    assert (second - first == 1).all()
    assert fed.replaced(2, [np.zeros(3), np.zeros(3)])[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param("new_fit.py", "order", marks=pytest.mark.proof),
        pytest.param("new_tape.py", "scale", marks=pytest.mark.full),
    ],
)
def test_other_batches_are_replaced(tmp_path, name, mistake):
    what = [str(STRANGERS / "old.py"), f"{STRANGERS / name} {mistake}"]
    settings = SimpleNamespace(steps=5, weights="reference", random="aligned", batches="reference")
    console = Console(quiet=True)
    report = strangers.compare(console, what, str(tmp_path), Renaming(None), settings)
    assert report["verdict"] == strangers.WITHIN, report.get("causes")
    assert report["batches"] == "reference"
