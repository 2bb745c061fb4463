"""
Logistic regression in plain Python.

No library: it takes seconds, and gives the same weights every time.
"""

import math
from collections.abc import Iterable, Sequence

# The places of the features that a row has, whether it asks (1.0) or not (-1.0), its weight
Row = tuple[tuple[int, ...], float, float]
Vector = list[float]

_STEPS, _MEMORY = 60, 8


def fit(rows: Sequence[Row], weights: Vector, strength: float) -> Vector:
    """
    The weights with the least penalised loss, from given ones on; the last is the bias.

    `strength` is the inverse of the L2 penalty. L-BFGS (J. Nocedal, 1980) with a backtracking line search.
    """
    loss, slope = _loss(rows, weights, strength)
    past: list[tuple[Vector, Vector, float]] = []
    for _ in range(_STEPS):
        way = _way_down(slope, past)
        fall = _dot(way, slope)
        length = 1.0 if past else 1.0 / max(1.0, math.sqrt(-fall))
        new_loss = math.inf
        while new_loss > loss + 1e-4 * length * fall and length > 1e-9:
            tried = [w + length * d for w, d in zip(weights, way, strict=True)]
            new_loss, new_slope = _loss(rows, tried, strength)
            length /= 2
        step = [b - a for a, b in zip(weights, tried, strict=True)]
        bend = [b - a for a, b in zip(slope, new_slope, strict=True)]
        gain = loss - new_loss
        weights, loss, slope = tried, new_loss, new_slope
        if gain < 1e-6 * abs(loss) or _dot(step, bend) < 1e-12:
            break
        past = [*past[1 - _MEMORY :], (step, bend, 1 / _dot(step, bend))]
    return weights


def total(weights: Vector, places: Iterable[int]) -> float:
    """The bias and the weights at these places."""
    return weights[-1] + sum(map(weights.__getitem__, places))


def _loss(rows: Iterable[Row], weights: Vector, strength: float) -> tuple[float, Vector]:
    """The penalised log loss (the bias is not penalised), and its gradient."""
    slope = [weight / strength for weight in weights]
    slope[-1] = 0.0
    loss = _dot(weights[:-1], weights[:-1]) / (2 * strength)
    for places, sign, weight in rows:
        margin = sign * total(weights, places)
        small = math.exp(-abs(margin))
        loss += weight * (math.log1p(small) + max(0.0, -margin))
        pull = weight * sign * (small if margin > 0 else 1.0) / (1.0 + small)
        slope[-1] -= pull
        for at in places:
            slope[at] -= pull
    return loss, slope


def _way_down(slope: Vector, past: Sequence[tuple[Vector, Vector, float]]) -> Vector:
    """The direction of the next step, from the slope and what the last steps told of its bends."""
    way = [-s for s in slope]
    shares = []
    for step, bend, scale in reversed(past):
        shares.append(scale * _dot(step, way))
        way = [d - shares[-1] * b for d, b in zip(way, bend, strict=True)]
    if past:
        _, bend, scale = past[-1]
        fitting = 1 / (scale * _dot(bend, bend))
        way = [fitting * d for d in way]
    for (step, bend, scale), share in zip(past, reversed(shares), strict=True):
        rest = share - scale * _dot(bend, way)
        way = [d + rest * s for d, s in zip(way, step, strict=True)]
    return way


def _dot(left: Vector, right: Vector) -> float:
    return sum([a * b for a, b in zip(left, right, strict=True)])
