"""The optimizers, with the defaults and conventions that users know; options choose the rule once, here.

Every one takes the keyword arguments of `Optimizer` too: weight_decay, clip_norm, clip_value, backend,
flush_subnormals. Where well-known libraries disagree, the docstring says which way we went and who goes the other.
"""

from __future__ import annotations

from typing import Unpack

from fastopt.errors import ConfigError
from fastopt.kernels.rules import RULES
from fastopt.optimizers.base import Common, Optimizer, Options
from fastopt.optimizers.hyper import check_choice, check_flag, check_hyper

ADAM_FORMS = {"outside": "", "inside": "_inside", "hat": "_hat"}


class SGD(Optimizer):
    """Stochastic gradient descent, p -= lr g (Robbins & Monro 1951)."""

    name = "sgd"

    def __init__(self, learning_rate: float = 0.01, **options: Unpack[Options]) -> None:
        super().__init__(RULES["sgd"], {"learning_rate": learning_rate}, **options)


class Momentum(Optimizer):
    """Gradient descent with momentum, in the form that `form` names.

    "ema" (default)   v = b v + (1-b) g;  p -= lr v     an exponentially weighted average, as in course notes;
                                                        its best rate is 1/(1-b) times that of heavy ball
    "heavy_ball"      v = b v + g;        p -= lr v     PyTorch, optax, TensorFlow 1
    "caffe"           v = b v - lr g;     p += v        Caffe, Keras: a change of rate acts on new gradients only

    `nesterov=True` goes with "heavy_ball" and "caffe", `bias_correction=True` (v / (1 - b^t)) with "ema"; other
    combinations have no textbook meaning and raise ConfigError. Source: Polyak 1964; Sutskever et al. 2013.
    """

    name = "momentum"

    def __init__(
        self,
        learning_rate: float = 0.01,
        beta: float = 0.9,
        form: str = "ema",
        nesterov: bool = False,
        bias_correction: bool = False,
        **options: Unpack[Options],
    ) -> None:
        forms = ("ema", "heavy_ball", "caffe")
        check_choice("momentum form", form, forms)
        check_flag("nesterov", nesterov)
        check_flag("bias_correction", bias_correction)
        if nesterov and form == "ema":
            raise ConfigError('nesterov=True has no meaning with form="ema": take "heavy_ball" or "caffe"')
        if bias_correction and form != "ema":
            raise ConfigError(f'bias_correction=True has no meaning with form="{form}": take "ema"')
        rule = f"momentum_{form}" + "_nesterov" * nesterov + "_corrected" * bias_correction
        super().__init__(RULES[rule], {"learning_rate": learning_rate, "beta": beta}, **options)


class RMSprop(Optimizer):
    """RMSprop: s = b s + (1-b) g^2; p -= lr g / (sqrt(s) + eps) (Tieleman & Hinton 2012, lecture 6.5).

    `eps_form="outside"` is PyTorch's; "inside", sqrt(s + eps), is that of Keras, optax and TensorFlow.
    `centered=True` takes the variance s - a^2, a the average of g, in the place of s (Graves 2013); where rounding
    leaves it below zero it counts as zero, while PyTorch takes the root of a negative number. `momentum` above 0 is a
    heavy ball on the normalised gradient, the rate applied after it (PyTorch; optax, TensorFlow and Keras multiply by
    the rate before it, which differs when the rate changes). PyTorch's default for b (its alpha) is 0.99.
    """

    name = "rmsprop"

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta: float = 0.9,
        eps: float = 1e-8,
        eps_form: str = "outside",
        centered: bool = False,
        momentum: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        forms = {"outside": "", "inside": "_inside"}
        check_choice("eps_form", eps_form, forms)
        check_flag("centered", centered)
        check_hyper("momentum", momentum)
        hyper = {"learning_rate": learning_rate, "beta": beta, "eps": eps}
        if momentum:
            hyper["momentum"] = momentum
        rule = "rmsprop" + "_centered" * centered + "_momentum" * bool(momentum) + forms[eps_form]
        super().__init__(RULES[rule], hyper, **options)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1): m and v are averages of g and g^2, corrected for their start at zero.

    `eps_form` says where eps stands: "outside" (default, the paper and PyTorch) sqrt(vhat) + eps; "inside", as some
    lecture notes have it, sqrt(vhat + eps); "hat" (TensorFlow, Keras, Caffe, end of the paper's section 2) adds eps to
    the root of the uncorrected v. `amsgrad=True` (Reddi et al. 2018) takes the largest v so far: the raw one, corrected
    after (PyTorch, Keras); optax takes the largest corrected one. Weight decay is coupled L2, as in `torch.optim.Adam`.
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        eps_form: str = "outside",
        amsgrad: bool = False,
        **options: Unpack[Common],
    ) -> None:
        check_choice("eps_form", eps_form, ADAM_FORMS)
        check_flag("amsgrad", amsgrad)
        super().__init__(
            RULES[("amsgrad" if amsgrad else "adam") + ADAM_FORMS[eps_form]],
            {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "eps": eps},
            weight_decay=weight_decay,
            **options,
        )


class AdamW(Optimizer):
    """Adam with decoupled decay: p -= lr wd p first, then Adam (Loshchilov & Hutter 2019, Algorithm 2).

    The decay is multiplied by the learning rate, as in PyTorch, Keras and optax; the paper multiplies it by the
    schedule's factor only. `eps_form` as in `Adam`.
    """

    name = "adamw"

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        eps_form: str = "outside",
        **options: Unpack[Common],
    ) -> None:
        check_choice("eps_form", eps_form, ADAM_FORMS)
        hyper = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "eps": eps}
        super().__init__(
            RULES["adamw" + ADAM_FORMS[eps_form]],
            {**hyper, "weight_decay": weight_decay},
            **options,
        )


class NAdam(Optimizer):
    """Adam with Nesterov's look-ahead and a momentum schedule, mu_t = b1 (1 - 0.5 * 0.96^(t momentum_decay)).

    Dozat 2016. `momentum_decay=0.004` is PyTorch's default (and Dozat's code's); 1.0 is Keras's. optax's nadam has no
    schedule.
    """

    name = "nadam"

    def __init__(
        self,
        learning_rate: float = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        momentum_decay: float = 0.004,
        **options: Unpack[Options],
    ) -> None:
        hyper = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "eps": eps}
        super().__init__(RULES["nadam"], {**hyper, "momentum_decay": momentum_decay}, **options)


class Adamax(Optimizer):
    """Adam with the infinity norm: u = max(b2 u, |g| + eps); p -= lr / (1 - b1^t) m / u (Kingma & Ba 2015, Alg. 2).

    eps is added before the maximum, as in PyTorch and optax; Keras adds it to u when dividing; the paper has none.
    """

    name = "adamax"

    def __init__(
        self,
        learning_rate: float = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        **options: Unpack[Options],
    ) -> None:
        hyper = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "eps": eps}
        super().__init__(RULES["adamax"], hyper, **options)


class Adagrad(Optimizer):
    """Adagrad: s += g^2; p -= lr g / (sqrt(s) + eps) (Duchi et al. 2011).

    eps outside the root and s from 0, as in PyTorch; optax and Keras start from 0.1 and put eps inside.
    """

    name = "adagrad"

    def __init__(
        self,
        learning_rate: float = 0.01,
        eps: float = 1e-10,
        initial_accumulator: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        check_hyper("initial_accumulator", initial_accumulator)
        hyper = {"learning_rate": learning_rate, "eps": eps}
        super().__init__(RULES["adagrad"], hyper, initial={"s": initial_accumulator}, **options)


class Adadelta(Optimizer):
    """Adadelta: delta = sqrt(d + eps) / sqrt(s + eps) g; p -= lr delta; d and s are averages of delta^2 and g^2.

    Zeiler 2012, Algorithm 1, where the rate is 1. b = 0.9 is PyTorch's and optax's default, 0.95 Keras's.
    """

    name = "adadelta"

    def __init__(
        self,
        learning_rate: float = 1.0,
        beta: float = 0.9,
        eps: float = 1e-6,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(RULES["adadelta"], {"learning_rate": learning_rate, "beta": beta, "eps": eps}, **options)


class Lion(Optimizer):
    """Lion: p -= lr (sign(b1 m + (1-b1) g) + wd p); m = b2 m + (1-b2) g (Chen et al. 2023, Algorithm 2).

    Weight decay is decoupled and multiplied by the rate, as in the paper and in optax. Rates want to be 3 to 10 times
    smaller than Adam's.
    """

    name = "lion"

    def __init__(
        self,
        learning_rate: float = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        **options: Unpack[Common],
    ) -> None:
        super().__init__(
            RULES["lion"],
            {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay},
            **options,
        )
