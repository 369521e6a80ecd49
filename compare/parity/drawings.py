"""Draws the difference of two tensors as SVG whose colours follow the page."""

import numpy as np

BINS = 40
WIDTH, HEIGHT = 320, 120
MOST_CELLS = 32  # of a heat map, in each direction
TALLEST = 160


def histogram(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Returns an SVG of how often values occur in both tensors."""
    both = [a[np.isfinite(a)].reshape(-1).astype(np.float64) for a in (ours, theirs)]
    every = np.concatenate(both)
    if not every.size:
        return ""
    low, high = float(every.min()), float(every.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = [np.histogram(a, BINS, (low, high))[0] for a in both]
    most = max(int(count.max()) for count in counts) or 1
    label = f"Histogram of both tensors, from {low:.4g} to {high:.4g}"
    parts = [
        (
            f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT + 16}" role="img" '
            f'aria-label="{label}">'
        )
    ]
    width = WIDTH / BINS
    for name, count in zip(("ours", "theirs"), counts):
        for number, value in enumerate(count):
            if value:
                # A root, so that rare values can be seen beside frequent ones.
                tall = HEIGHT * float(np.sqrt(value / most))
                left, inset = number * width, width * (0.1 if name == "ours" else 0.3)
                parts.append(
                    f'<rect class="{name}" x="{left + inset:.1f}" y="{HEIGHT - tall:.1f}" '
                    f'width="{width - 2 * inset:.1f}" height="{tall:.1f}"/>'
                )
    parts.append(
        f'<text x="0" y="{HEIGHT + 13}">{low:.3g}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 13}" text-anchor="end">{high:.3g}</text></svg>'
    )
    return "".join(parts)


def heat_map(away: np.ndarray) -> str:
    """Returns an SVG of absolute differences as a matrix: rows, and all other axes as columns.

    Of a large one each cell is the largest difference of a block.
    """
    away = np.nan_to_num(np.asarray(away, np.float64), nan=0.0, posinf=0.0)
    matrix = away.reshape(1, -1) if away.ndim < 2 else away.reshape(-1, away.shape[-1])
    cells = _blocks(_blocks(matrix, 0), 1)
    most = float(cells.max())
    rows, columns = cells.shape
    wide = WIDTH / max(columns, 8)
    tall = min(wide, TALLEST / rows)
    label = f"Absolute differences; the strongest cell is {most:.4g}"
    parts = [
        (
            f'<svg class="heat" viewBox="0 0 {wide * columns:.1f} {tall * rows:.1f}" '
            f'style="max-width: {wide * columns:.0f}px" role="img" aria-label="{label}">'
        )
    ]
    for row in range(rows):
        for column in range(columns):
            share = cells[row, column] / most if most else 0.0
            parts.append(
                f'<rect x="{column * wide:.1f}" y="{row * tall:.1f}" width="{wide:.1f}" '
                f'height="{tall:.1f}" opacity="{share:.2f}"/>'
            )
    return "".join([*parts, "</svg>"])


def _blocks(matrix: np.ndarray, axis: int) -> np.ndarray:
    """Reduces an axis to MOST_CELLS blocks, each the largest of its elements."""
    length = matrix.shape[axis]
    if length <= MOST_CELLS:
        return matrix
    edges = np.linspace(0, length, MOST_CELLS + 1).astype(int)[:-1]
    return np.maximum.reduceat(matrix, edges, axis=axis)
