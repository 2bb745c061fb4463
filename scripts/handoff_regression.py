"""Fit a logistic regression in plain Python.

A library would be faster. This takes seconds and gives the same weights on every run.
"""

import math
from collections.abc import Iterable, Sequence

# The indexes of a row's features, its label (1.0: asks, -1.0: does not), and its weight
Row = tuple[tuple[int, ...], float, float]
Vector = list[float]

_MAX_STEPS, _HISTORY = 60, 8


def fit(rows: Sequence[Row], weights: Vector, strength: float) -> Vector:
    """Return the weights with the least penalised log loss; the last weight is the bias.

    `weights` is the starting point, `strength` the inverse of the L2 penalty. The method is L-BFGS
    (J. Nocedal, 1980) with a backtracking line search.
    """
    loss, gradient = _loss(rows, weights, strength)
    history: list[tuple[Vector, Vector, float]] = []
    for _ in range(_MAX_STEPS):
        direction = _descent_direction(gradient, history)
        slope = _dot(direction, gradient)
        length = 1.0 if history else 1.0 / max(1.0, math.sqrt(-slope))
        new_loss = math.inf
        while new_loss > loss + 1e-4 * length * slope and length > 1e-9:
            new_weights = [w + length * d for w, d in zip(weights, direction, strict=True)]
            new_loss, new_gradient = _loss(rows, new_weights, strength)
            length /= 2
        step = [b - a for a, b in zip(weights, new_weights, strict=True)]
        change = [b - a for a, b in zip(gradient, new_gradient, strict=True)]
        gain = loss - new_loss
        weights, loss, gradient = new_weights, new_loss, new_gradient
        if gain < 1e-6 * abs(loss) or _dot(step, change) < 1e-12:
            break
        history = [*history[1 - _HISTORY :], (step, change, 1 / _dot(step, change))]
    return weights


def total(weights: Vector, features: Iterable[int]) -> float:
    """Return the sum of the bias and of the weights at these indexes."""
    return weights[-1] + sum(map(weights.__getitem__, features))


def _loss(rows: Iterable[Row], weights: Vector, strength: float) -> tuple[float, Vector]:
    """Return the penalised log loss and its gradient; the bias is not penalised."""
    gradient = [weight / strength for weight in weights]
    gradient[-1] = 0.0
    loss = _dot(weights[:-1], weights[:-1]) / (2 * strength)
    for features, label, weight in rows:
        margin = label * total(weights, features)
        exponential = math.exp(-abs(margin))
        loss += weight * (math.log1p(exponential) + max(0.0, -margin))
        pull = weight * label * (exponential if margin > 0 else 1.0) / (1.0 + exponential)
        gradient[-1] -= pull
        for index in features:
            gradient[index] -= pull
    return loss, gradient


def _descent_direction(gradient: Vector, history: Sequence[tuple[Vector, Vector, float]]) -> Vector:
    """Return the direction of the next step, from the gradient and the curvature of the last steps."""
    direction = [-g for g in gradient]
    alphas = []
    for step, change, scale in reversed(history):
        alphas.append(scale * _dot(step, direction))
        direction = [d - alphas[-1] * c for d, c in zip(direction, change, strict=True)]
    if history:
        _, change, scale = history[-1]
        factor = 1 / (scale * _dot(change, change))
        direction = [factor * d for d in direction]
    for (step, change, scale), alpha in zip(history, reversed(alphas), strict=True):
        rest = alpha - scale * _dot(change, direction)
        direction = [d + rest * s for d, s in zip(direction, step, strict=True)]
    return direction


def _dot(left: Vector, right: Vector) -> float:
    return sum([a * b for a, b in zip(left, right, strict=True)])
