"""Stands for `tf.contrib.distributions`: `tf.distributions`, and normals of several variables."""

import tensorflow.compat.v1 as tf
from tensorflow.python.ops.distributions import kullback_leibler, normal, util

kl = kl_divergence = kullback_leibler.kl_divergence
RegisterKL = kullback_leibler.RegisterKL
softplus_inverse = util.softplus_inverse
NormalWithSoftplusScale = normal.NormalWithSoftplusScale


def __getattr__(name):
    return getattr(tf.distributions, name)


class MultivariateNormalDiag:
    """A normal of the last axis with independent components."""

    def __init__(self, loc=None, scale_diag=None, scale_identity_multiplier=None, **_):
        scale = scale_diag
        if scale_identity_multiplier is not None:
            scale = tf.convert_to_tensor(scale_identity_multiplier)[..., None]
            scale = scale if scale_diag is None else scale + scale_diag
        scale = tf.ones_like(loc) if scale is None else tf.convert_to_tensor(scale)
        loc = tf.zeros_like(scale) if loc is None else tf.convert_to_tensor(loc)
        self.parts = tf.distributions.Normal(loc, scale + tf.zeros_like(loc))
        self.loc, self.dtype = loc, loc.dtype

    def mean(self):
        return self.parts.mean()

    mode = mean

    def stddev(self):
        return self.parts.stddev()

    def variance(self):
        return self.parts.variance()

    def covariance(self):
        return tf.matrix_diag(self.parts.variance())

    def sample(self, sample_shape=(), seed=None, name="sample"):
        return self.parts.sample(sample_shape, seed)

    def log_prob(self, value, name="log_prob"):
        return tf.reduce_sum(self.parts.log_prob(value), -1)

    def prob(self, value, name="prob"):
        return tf.exp(self.log_prob(value))

    def entropy(self, name="entropy"):
        return tf.reduce_sum(self.parts.entropy(), -1)

    def kl_divergence(self, other, name="kl_divergence"):
        return tf.reduce_sum(self.parts.kl_divergence(other.parts), -1)


class MultivariateNormalDiagWithSoftplusScale(MultivariateNormalDiag):
    def __init__(self, loc, scale_diag, **_):
        super().__init__(loc, tf.nn.softplus(scale_diag))


kullback_leibler.RegisterKL(MultivariateNormalDiag, MultivariateNormalDiag)(
    lambda a, b, name=None: a.kl_divergence(b)
)
