"""Stands for `tf.contrib.distributions`: `tf.distributions`, and the rest from the package
tensorflow-probability, which has grown out of it."""

import functools
import importlib
import sys
from operator import methodcaller

import tensorflow.compat.v1 as tf
from tensorflow.python.ops.distributions import kullback_leibler, normal, util

from shared.console import UserError
from tf1_style.run import modules

RegisterKL = kullback_leibler.RegisterKL
softplus_inverse = util.softplus_inverse
NormalWithSoftplusScale = normal.NormalWithSoftplusScale
_RENAMED = {
    "ConditionalDistribution": "distributions.Distribution",
    "ConditionalTransformedDistribution": "distributions.TransformedDistribution",
    "WishartCholesky": "distributions.WishartTriL",
    "auto_correlation": "stats.auto_correlation",
    "fill_triangular": "math.fill_triangular",
    "fill_triangular_inverse": "math.fill_triangular_inverse",
    "reduce_weighted_logsumexp": "math.reduce_weighted_logsumexp",
}


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if hasattr(tf.distributions, name):
        return getattr(tf.distributions, name)
    if name == "bijectors":
        from tf1_style.run.contrib import bijectors

        return bijectors
    probability()
    place, _, name = _RENAMED.get(name, f"distributions.{name}").partition(".")
    return getattr(importlib.import_module(f"tensorflow_probability.python.{place}"), name)


@functools.lru_cache(maxsize=None)
def probability():
    """Returns `tfp.distributions`, whose classes take those of `tf.distributions`, too."""
    try:
        import tensorflow_probability.python.distributions as today
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error.name} not installed for {sys.executable}; run `./run_all.sh old` in "
            f"{modules.PROJECT} once, which adds the libraries that old programs need"
        ) from None
    type(today.Distribution).__call__ = _make
    for kind in vars(today).values():
        for name in ("logits", "probs"):
            if isinstance(kind, type) and name in vars(kind) and hasattr(kind, f"{name}_parameter"):
                setattr(kind, name, property(methodcaller(f"{name}_parameter")))
    return today


def _make(kind, *arguments, **keywords):
    """Makes a distribution of tensorflow-probability from old arguments."""
    keywords = {key: _new(keywords[key]) for key in keywords}
    factor = keywords.pop("scale_identity_multiplier", None)
    if factor is not None:
        loc, scale = (*arguments, keywords.get("loc"))[0], keywords.get("scale_diag")
        keywords["scale_diag"] = factor + (tf.zeros_like(loc) if scale is None else scale)
    shape = keywords.pop("event_shape", None)
    if shape is not None:
        inner = _new((*arguments, keywords.pop("distribution", None))[0])
        arguments = (probability().Sample(inner, shape), *arguments[1:])
    return type.__call__(kind, *map(_new, arguments), **keywords)


def _new(value):
    """Returns the same distribution as one of tensorflow-probability."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(map(_new, value))
    if not isinstance(value, tf.distributions.Distribution):
        return value
    return getattr(probability(), type(value).__name__)(**value.parameters)


def MultivariateNormalDiagWithSoftplusScale(loc=None, scale_diag=None, **keywords):
    return probability().MultivariateNormalDiag(loc, tf.nn.softplus(scale_diag), **keywords)


def normal_conjugates_known_scale_posterior(prior, scale, s, n):
    return probability().normal_conjugates_known_scale_posterior(_new(prior), scale, s, n)


def normal_conjugates_known_scale_predictive(prior, scale, s, n):
    return probability().normal_conjugates_known_scale_predictive(_new(prior), scale, s, n)


def percentile(x, q, axis=None, interpolation=None, keep_dims=False, *arguments, **keywords):
    """Counts from the largest value, as contrib does, which decides what is nearest in a tie."""
    probability()
    from tensorflow_probability.python.stats import percentile

    turned = {"lower": "higher", "higher": "lower"}.get(interpolation, interpolation)
    x, q = tf.convert_to_tensor(x), 100.0 - tf.cast(q, tf.float64)
    return -percentile(-x, q, axis, turned, keep_dims, *arguments, **keywords)


def kl_divergence(distribution_a, distribution_b, allow_nan_stats=True, name=None):
    pair = (distribution_a, distribution_b)
    if all(isinstance(value, tf.distributions.Distribution) for value in pair):
        return kullback_leibler.kl_divergence(*pair, allow_nan_stats, name)
    return probability().kl_divergence(*map(_new, pair), allow_nan_stats, name)


kl = kl_divergence
