"""Evaluates a model; writes evaluation.npz and the files of TensorBoard's projector."""

from __future__ import annotations

import collections
import os
from typing import Callable, Sequence

import numpy as np

from shared import files, npz, pictures, repair
from shared.console import UserError
from shared.datasets import CLASSES, Examples, Images

EMBEDDED = 1000  # images
_CONFIG = """\
embeddings {
  tensor_name: "embedding"
  tensor_path: "projector/embedding.bytes"
  tensor_shape: %d
  tensor_shape: %d
  metadata_path: "projector/labels.tsv"
%s}
"""
_SPRITE = """\
  sprite {
    image_path: "projector/sprite.png"
    single_image_dim: 28
    single_image_dim: 28
  }
"""


def measure(
    trainer, examples: Examples, after_slice: Callable[[], None] = lambda: None
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Evaluates a style's `Trainer` on n examples, batch by batch, to limit the memory.

    Returns
    -------
    figures : the mean loss and the mean of each metric over the examples, by name.
    outputs : the model's outputs by name, [n, ...] each.
    """
    sums, parts = collections.Counter(), []
    batches = (examples.batch(part) for part in examples.slices())
    if hasattr(trainer, "batches_of"):  # it makes them, as in mnist_pipeline
        batches = trainer.batches_of(examples)
    for batch in batches:
        size = len(next(iter(batch.values())))
        loss, metrics, outputs = trainer.evaluate(batch)
        sums["loss"] += float(loss) * size
        for name, value in metrics.items():
            total = float(value) * size
            # Accuracy times size is a number of examples, so rounding removes the error of float32.
            sums[name] += round(total) if name.endswith("accuracy") else total
        parts.append(outputs)
        after_slice()
    figures = {name: total / len(examples) for name, total in sums.items()}
    return figures, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of logits [n, 10] as float64 [n, 10]."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def mistakes(logits: np.ndarray, labels: np.ndarray, count: int = 25) -> np.ndarray:
    """Returns the indices of misclassified examples; the most confident mistakes come first.

    Parameters
    ----------
    logits : float32 [n, 10]
    labels : uint8 [n]
    count : int, the maximum number of indices.

    Returns
    -------
    int64 [at most count]
    """
    (wrong,) = np.nonzero(logits.argmax(axis=1) != labels)
    confidence = probabilities(logits[wrong]).max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")][:count]


def mistakes_picture(examples: Images, logits: np.ndarray) -> np.ndarray | None:
    """Draws the worst mistakes below "label > prediction"; returns None if there are none."""
    worst = mistakes(logits, examples.labels)
    predictions = logits.argmax(axis=1)
    captions = [f"{examples.labels[index]} > {predictions[index]}" for index in worst]
    return pictures.captioned(examples.images[worst], captions) if len(worst) else None


def sheet(images: np.ndarray, count: int = 100) -> np.ndarray:
    """Draws the first `count` images, float32 [n, 784] in [0, 1], side by side: uint8 [h, w]."""
    return pictures.tiled(2 * images[:count].reshape(-1, pictures.SIDE, pictures.SIDE) - 1, 10)


def save_pictures(directory: str, images: np.ndarray) -> None:
    """Writes the images that a model has made to pictures.png in a run folder."""
    path = os.path.join(directory, "pictures.png")
    with files.writing(path), files.replacing(path) as file:
        file.write(pictures.png(sheet(images)))


def save(directory: str, examples: Images, outputs: dict, weights: np.ndarray) -> None:
    """Writes evaluation.npz, which a report draws, into a run folder.

    The file holds `labels` uint8 [n], `logits` float32 [n, 10], the indices of the worst `mistakes`
    int64 [k], their `images` uint8 [k, 28, 28], and the `filters` float32 [m, h, w] that
    `pictures.filters` makes from the `weights` of the first layer.
    """
    logits = outputs["logits"]
    worst = mistakes(logits, examples.labels)
    path = os.path.join(directory, "evaluation.npz")
    with files.writing(path), files.replacing(path) as file:
        np.savez_compressed(
            file,
            labels=examples.labels,
            logits=logits,
            mistakes=worst,
            images=examples.images[worst].reshape(-1, pictures.SIDE, pictures.SIDE),
            filters=pictures.filters(weights),
        )


def load(path: str) -> dict[str, np.ndarray]:
    """Reads an evaluation.npz.

    Returns
    -------
    The arrays that `save` describes, by name.

    Raises
    ------
    UserError : the file is missing, damaged, or not written by a run.
    """
    try:
        arrays = npz.load(path)
        _check(arrays)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run it again with --restart")
    except (OSError, ValueError) as error:
        cause = " ".join(str(files.cause(error)).split())[:200]
        raise UserError(f"{path}: not what a run writes ({cause}); run it again with --restart")
    return arrays


def _check(arrays: dict[str, np.ndarray]) -> None:
    """Raises a ValueError if types, shapes or ranges are not those that `save` writes."""
    examples, worst = (len(np.atleast_1d(arrays.get(name, ()))) for name in ("labels", "mistakes"))
    layout = {
        "labels": ("u1", (examples,)),
        "logits": ("f4", (examples, CLASSES)),
        "mistakes": ("i8", (worst,)),
        "images": ("u1", (worst, pictures.SIDE, pictures.SIDE)),
        "filters": (("f4", "f8"), np.shape(arrays.get("filters"))),
    }
    if set(arrays) != set(layout) or not examples:
        raise ValueError(f"it holds {', '.join(arrays)}")
    for name, (kind, shape) in layout.items():
        array = arrays[name]
        if not array.dtype.str[1:].startswith(kind) or array.shape != shape:
            raise ValueError(f"{name} is {array.dtype.name} {list(array.shape)}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
    filters, indices = arrays["filters"], arrays["mistakes"]
    if filters.ndim != 3 or filters.size == 0 or np.abs(filters).max() > 1:
        raise ValueError(f"filters is {list(filters.shape)}, or not in [-1, 1]")
    if arrays["labels"].max() >= CLASSES:
        raise ValueError(f"a label of {arrays['labels'].max()}")
    if ((indices < 0) | (indices >= examples)).any() or len(set(indices.tolist())) < worst:
        raise ValueError("the mistakes are not those of the examples")


def save_embedding(
    directory: str,
    vectors: np.ndarray,
    labels: Sequence[object],
    images: np.ndarray | None = None,
) -> None:
    """Writes the files of TensorBoard's projector beside the summaries of a run.

    Parameters
    ----------
    directory : the folder of the summaries.
    vectors : float32 [n, d], such as the activations of a layer for n examples.
    labels : the label of each vector, of one line.
    images : uint8 [n, 784], a picture for each vector; None for none.

    Raises
    ------
    UserError : a file cannot be written.
    """
    folder = os.path.join(directory, "projector")
    config = os.path.join(directory, "projector_config.pbtxt")
    contents = {
        "embedding.bytes": vectors.astype(np.float32).tobytes(),
        "labels.tsv": "".join(f"{label}\n" for label in labels).encode(),
    }
    if images is not None:
        contents["sprite.png"] = pictures.png(pictures.sprite(images))
    for path in (folder, config):
        repair.remove_temporaries(path)
    with files.replacing_folder(folder) as new:
        os.mkdir(new)
        for name, content in contents.items():
            with open(os.path.join(new, name), "wb") as file:
                file.write(content)
    with files.writing(config), files.replacing(config) as file:
        sprite = "" if images is None else _SPRITE
        file.write((_CONFIG % (*vectors.shape, sprite)).encode())
