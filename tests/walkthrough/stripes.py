"""Pictures of stripes in four directions, with noise. Made, not read; both programs use them."""

import numpy as np

SIZE = 12
CLASSES = ["horizontal", "vertical", "rising", "falling"]


def load(count, seed):
    """Returns images [count, SIZE, SIZE, 1] in 0..1 and labels [count]."""
    random = np.random.RandomState(seed)
    labels = random.randint(len(CLASSES), size=count)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    across = np.stack([rows, columns, rows + columns, rows - columns])[labels]
    phases = random.uniform(0, 6, size=(count, 1, 1))
    waves = 0.5 + 0.5 * np.sin(across * random.uniform(0.9, 1.6, size=(count, 1, 1)) + phases)
    images = np.clip(waves + random.normal(0, 0.6, waves.shape), 0, 1)
    return images[..., np.newaxis].astype(np.float32), labels.astype(np.int64)


def batches(images, labels, batch_size, seed):
    """Yields batches for ever, in a new order in each epoch."""
    random = np.random.RandomState(seed)
    while True:
        order = random.permutation(len(images))
        for start in range(0, len(order) - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            yield images[chosen], labels[chosen]
