"""How good a model is, and what a run leaves of that: evaluation.npz, and the projector's files."""

from __future__ import annotations

import os
from typing import Callable

import numpy as np

from shared import files, pictures
from shared.datasets import Examples

EMBEDDED = 1000  # images
_CONFIG = """\
embeddings {
  tensor_name: "embedding"
  tensor_path: "projector/embedding.bytes"
  tensor_shape: %d
  tensor_shape: %d
  metadata_path: "projector/labels.tsv"
  sprite {
    image_path: "projector/sprite.png"
    single_image_dim: 28
    single_image_dim: 28
  }
}
"""


def measure(
    trainer, examples: Examples, after_slice: Callable[[], None] = lambda: None
) -> tuple[float, float, np.ndarray]:
    """Returns a style's `Trainer`'s loss and accuracy, and its logits [n, 10], for n examples.

    It takes them in slices, so that memory does not grow with them.
    """
    loss_sum, correct, all_logits = 0.0, 0, []
    for part in examples.slices():
        images, labels = examples.batch(part, one_hot=True)
        loss, accuracy, logits = trainer.evaluate(images, labels)
        loss_sum += float(loss) * len(images)
        correct += round(float(accuracy) * len(images))
        all_logits.append(logits)
        after_slice()
    return loss_sum / len(examples), correct / len(examples), np.concatenate(all_logits)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of logits [n, 10], in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def say(paths: list[str], logits: np.ndarray) -> None:
    """Prints which digit is on each picture, by its logits [n, 10], and how sure that is."""
    for path, row in zip(paths, probabilities(logits)):
        print(f"{path}: {row.argmax()} ({100 * row.max():.1f} %)")


def mistakes(logits: np.ndarray, labels: np.ndarray, count: int = 25) -> np.ndarray:
    """Returns which examples are classified wrong, those first of which the model is surest.

    Parameters
    ----------
    logits : float32 [n, 10]
    labels : uint8 [n]
    count : int, how many at most.

    Returns
    -------
    int64 [at most count]
    """
    (wrong,) = np.nonzero(logits.argmax(axis=1) != labels)
    confidence = probabilities(logits[wrong]).max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")][:count]


def mistakes_picture(examples: Examples, logits: np.ndarray) -> np.ndarray | None:
    """Returns the worst mistakes, each under "label > prediction"; None where there are none."""
    worst = mistakes(logits, examples.labels)
    predictions = logits.argmax(axis=1)
    captions = [f"{examples.labels[index]} > {predictions[index]}" for index in worst]
    return pictures.captioned(examples.images[worst], captions) if len(worst) else None


def save(directory: str, examples: Examples, logits: np.ndarray, weights: np.ndarray) -> None:
    """Writes what a report draws as evaluation.npz into the folder of a run.

    The file holds `labels` uint8 [n], `logits` float32 [n, 10], the numbers of the worst `mistakes`
    int64 [k] and their `images` uint8 [k, 28, 28], and the first layer's `filters` float32
    [m, h, w], see `pictures.filters`, from its `weights`.
    """
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


def save_embedding(directory: str, vectors: np.ndarray, examples: Examples) -> None:
    """Writes what TensorBoard's projector shows, beside the summaries of a run.

    Parameters
    ----------
    directory : that of the summaries.
    vectors : float32 [n, d], a layer's activations.
    examples : the first n are those that they belong to.
    """
    folder = os.path.join(directory, "projector")
    config = os.path.join(directory, "projector_config.pbtxt")
    labels = "".join(f"{label}\n" for label in examples.labels[: len(vectors)])
    contents = {
        "embedding.bytes": vectors.astype(np.float32).tobytes(),
        "labels.tsv": labels.encode(),
        "sprite.png": pictures.png(pictures.sprite(examples.images[: len(vectors)])),
    }
    for path in (folder, config):
        files.remove_temporaries(path)
    with files.replacing_folder(folder) as new:
        os.mkdir(new)
        for name, content in contents.items():
            with open(os.path.join(new, name), "wb") as file:
                file.write(content)
    with files.writing(config), files.replacing(config) as file:
        file.write((_CONFIG % vectors.shape).encode())
