"""Coefficients that make the sum of the terms least wrong: weighted mean of |log(predicted / measured)|, all positive.

Iteratively reweighted least squares on the logarithms, damped as Levenberg and Marquardt do (Levenberg 1944, Marquardt
1963), in the logarithms of the coefficients, so that none becomes negative. The starting points are orders of
magnitude;
a pull towards them, 2e-4 of the squared logarithm, only decides what the data leave open. Nothing is random.

Bytes that a decode step must read, and arithmetic that a prefill must do, cost at least what the peak says: physics,
and no result of the fit.
"""

import numpy as np

STARTS = {
    "weights": 1.2,
    "state": 2.0,
    "layers": 6e-5,
    "operations": 6e-6,
    "exchanges": 3e-6,
    "dispatches": 3e-6,
    "arithmetic": 1.0,
    "streams": 3e-3,
    "compute": 1.6,
    "prompts": 1.5,
    "passes": 3e-6,
    "sequences": 2e-5,
    "scheduling": 1e-3,
    "queue": 1.6,
    "room": 1.5,
    "step": 1.5,
}

AT_LEAST_ONE = {"decode": {"weights", "state"}, "prefill": {"compute"}, "loaded": {"compute"}}

PULL = 2e-4
LEAST_RESIDUAL = 0.01
"""Below a hundredth, errors weigh as in least squares, which keeps the steps finite."""
STEPS = 40


def solve(terms, seconds, weights, starts, floors):
    """The coefficients (0 for a term that no row has), for terms of shape [rows, terms].

    `floors` are the least they may be.
    """
    target, start = np.log(seconds), np.log(starts)
    used = terms.any(axis=0)
    with np.errstate(divide="ignore"):
        lowest = np.log(floors)
    current, damping = start.copy(), 1e-3
    share = weights / weights.sum()

    def loss(logs):
        with np.errstate(divide="ignore"):
            errors = np.abs(np.log(terms @ np.exp(logs)) - target)
        return float((share * errors).sum() + PULL * ((logs - start) ** 2).sum())

    best = loss(current)
    for _ in range(STEPS):
        parts = terms * np.exp(current)
        sums = parts.sum(axis=1)
        jacobian, residual = parts / sums[:, None], target - np.log(sums)
        pulled = share / np.maximum(np.abs(residual), LEAST_RESIDUAL)
        hessian = jacobian.T @ (jacobian * pulled[:, None]) + 2 * PULL * np.eye(len(starts))
        gradient = jacobian.T @ (pulled * residual) - 2 * PULL * (current - start)
        for _ in range(8):
            step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient)
            tried = np.maximum(current + np.clip(step, -1, 1), lowest)
            found = loss(tried)
            if found < best - 1e-9:
                break
            damping *= 4
        else:
            break
        gained, best, current, damping = best - found, found, tried, max(damping / 4, 1e-8)
        if gained < 1e-6:
            break
    return np.where(used, np.exp(current), 0.0)
