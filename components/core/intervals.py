"""Confidence intervals that gate and reports share. Standard library only."""

import math

Z95 = 1.959964  # standard deviations on each side of a 95% interval


def wilson(share: float, rows: int) -> tuple[float, float]:
    """95% interval of a share of `rows` (Wilson 1927, doi:10.1080/01621459.1927.10502953). share: 0..1; rows: at least 1."""
    centre = (share + Z95 * Z95 / (2 * rows)) / (1 + Z95 * Z95 / rows)
    half = Z95 / (1 + Z95 * Z95 / rows) * math.sqrt(share * (1 - share) / rows + Z95 * Z95 / (4 * rows * rows))
    return max(0.0, centre - half), min(1.0, centre + half)
