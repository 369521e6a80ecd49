"""parity --batches=reference: the candidate is fed what the reference was fed."""

import shlex
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


def test_a_batch_of_another_size_takes_the_examples_if_all_of_its_arrays_can(fed):
    own = np.zeros((5, 2, 2), np.float32), np.zeros(5, np.int64)
    images, labels = fed.replaced(2, own, any_rows=True)
    assert images.shape == (3, 2, 2) and images.ravel().tolist() == IMAGES.ravel().tolist()
    assert labels.tolist() == [2, 0, 1] and labels.dtype == np.int64
    assert [array.shape for array in fed.replaced(2, own)] == [(5, 2, 2), (5,)]
    other = np.zeros((5, 7), np.float32), np.zeros(5, np.int64)
    assert fed.replaced(2, other, any_rows=True)[1] is other[1]
    assert fed.has_rows(2, 3) and not fed.has_rows(2, 5) and not fed.has_rows(2, None)


def test_classes_may_be_one_hot_or_numbers(fed):
    one_hot = np.eye(3, dtype=np.float32)[[1, 1, 0, 2]]
    own = np.zeros((4, 4), np.float32), one_hot
    found = fed.replaced(2, own, any_rows=True)[1]
    assert found.tolist() == np.eye(3)[LABELS].tolist() and found.dtype == np.float32
    numbers = FedBatches({"1/x": np.ones((2, 4), np.float32), "1/y": one_hot[2:]})
    own = np.zeros((2, 4), np.float32), np.array([[5], [5]])
    assert numbers.replaced(1, own, any_rows=True)[1].tolist() == [[0], [2]]
    narrow = np.eye(2, dtype=np.float32)  # two classes, of which the other has a third
    assert fed.replaced(2, [np.zeros((2, 4)), narrow], any_rows=True)[1] is narrow


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param("new_fit.py", "order", marks=pytest.mark.proof),
        pytest.param("new_tape.py", "scale", marks=pytest.mark.full),
    ],
)
def test_other_batches_are_replaced(tmp_path, name, mistake):
    what = [str(STRANGERS / "old.py"), f"{shlex.quote(str(STRANGERS / name))} {mistake}"]
    settings = SimpleNamespace(steps=5, weights="reference", random="aligned", batches="reference")
    console = Console(quiet=True)
    report = strangers.compare(console, what, str(tmp_path), Renaming(None), settings)
    assert report["verdict"] == strangers.WITHIN, report.get("causes")
    assert report["batches"] == "reference"
