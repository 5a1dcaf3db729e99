"""A model of one's own, as a user would write it in a file: Poisson regression for counts."""

import math

import numpy as np

import fastopt


class Poisson(fastopt.Model):
    """Counts with mean exp(x . w + b); the loss of a row is rate - y score, minus its log-likelihood but for log y!."""

    def __init__(self, dataset, *, l2=0.0):
        self.n_params = dataset.n_features + 1
        self.args = np.array([float(l2)])
        self.settings = {"l2": float(l2)}

    @staticmethod
    def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):
        d, loss = X.shape[1], 0.0
        grads[:] = 0
        for i in rows:
            score = params[d]
            for j in range(d):
                score += X[i, j] * params[j]
            rate = math.exp(score)
            loss += rate - Y[i, 0] * score
            for j in range(d):
                grads[j] += (rate - Y[i, 0]) * X[i, j]
            grads[d] += rate - Y[i, 0]
        strength = args[0] * rows.size
        for j in range(d):
            loss += 0.5 * strength * params[j] * params[j]
            grads[j] += params.dtype.type(strength) * params[j]
        return loss

    @staticmethod
    def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):
        d, loss = X.shape[1], 0.0
        for i in rows:
            score = params[d]
            for j in range(d):
                score += X[i, j] * params[j]
            loss += math.exp(score) - Y[i, 0] * score
        for j in range(d):
            loss += 0.5 * args[0] * rows.size * params[j] * params[j]
        out[0], out[1], out[2] = loss, np.nan, rows.size
