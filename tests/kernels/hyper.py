"""The hyperparameters that the tests of kernels use, by name."""

HYPER = {
    "learning_rate": 0.05,
    "beta": 0.9,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "momentum": 0.9,
    "momentum_decay": 0.004,
    "weight_decay": 0.01,
}
