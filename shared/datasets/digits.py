"""The embedded dataset: 1,797 real handwritten digits; it needs no network.

It is the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998; UCI
Machine Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0) as in scikit-learn 1.9.1:
8x8 pixels from 0 to 16. This code wrote digits.npz:

    from sklearn.datasets import load_digits
    digits = load_digits()
    np.savez_compressed(
        "shared/datasets/digits.npz",
        images=digits.images.astype("uint8"),
        labels=digits.target.astype("uint8"),
    )
"""

from __future__ import annotations

import os

import numpy as np

TRAIN, VALIDATION, TEST = 1297, 100, 400  # in the file's order


def load() -> dict[str, np.ndarray]:
    """Returns the digits with the size, the names and the types of MNIST.

    Each pixel becomes a square of 3x3, the border is 2 pixels wide, and 16 becomes 255. The
    validation examples come first, as in MNIST.

    Returns
    -------
    dict of uint8 arrays: train_images [1397, 28, 28], train_labels [1397], test_images
    [400, 28, 28], test_labels [400].
    """
    with np.load(os.path.join(os.path.dirname(__file__), "digits.npz")) as file:
        small, labels = file["images"], file["labels"]
    grey = (small.astype(np.uint16) * 255 // 16).astype(np.uint8)
    images = np.pad(
        np.kron(grey, np.ones((1, 3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)), "constant"
    )
    train = np.r_[TRAIN : TRAIN + VALIDATION, :TRAIN]
    return {
        "train_images": images[train],
        "train_labels": labels[train],
        "test_images": images[-TEST:],
        "test_labels": labels[-TEST:],
    }
