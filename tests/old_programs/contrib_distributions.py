"""Distributions of contrib: of vectors, mixed, transformed, relaxed, and their divergences."""

import numpy as np
import tensorflow as tf
from tensorflow.contrib.distributions.python.ops import bijectors as b

ds = tf.contrib.distributions
session = tf.Session()


def show(name, *tensors):
    print(name, *[np.round(value, 4).ravel().tolist() for value in session.run(list(tensors))])


x = np.array([[0.1, 0.7], [1.5, -0.3]], "f")
tril = np.array([[1.0, 0.0], [0.5, 2.0]], "f")
normal = ds.Normal(0.0, 1.0)
vectors = {
    "diag": ds.MultivariateNormalDiag([0.0, 1.0], [1.0, 2.0]),
    "multiplied": ds.MultivariateNormalDiag([0.0, 1.0], scale_identity_multiplier=2.0),
    "softplus": ds.MultivariateNormalDiagWithSoftplusScale([0.0, 1.0], [0.5, -1.0]),
    "tril": ds.MultivariateNormalTriL([0.0, 1.0], tril),
    "full": ds.MultivariateNormalFullCovariance([0.0, 1.0], tril.dot(tril.T)),
}
for name, d in sorted(vectors.items()):
    show(name, d.log_prob(x), d.entropy(), d.mean(), d.covariance(), tf.shape(d.sample(3)))
show("kl", ds.kl_divergence(vectors["diag"], vectors["softplus"]))
show("kl", ds.kl_divergence(ds.Normal(0.0, 1.0), ds.Normal(1.0, 2.0)))
show("kl", ds.kl_divergence(vectors["tril"], vectors["full"]))
mixed = ds.Mixture(ds.Categorical(probs=[0.3, 0.7]), [normal, ds.Normal(1.0, 2.0)])
show("mixture", mixed.log_prob([0.3, 2.0]), mixed.mean(), tf.shape(mixed.sample(5)))
same = ds.MixtureSameFamily(ds.Categorical(logits=[0.1, 0.4]), ds.Normal([0.0, 1.0], [1.0, 2.0]))
show("same family", same.log_prob([0.3, 2.0]), same.mean())
for d in (
    ds.TransformedDistribution(normal, b.Exp()),
    ds.TransformedDistribution(normal, bijector=b.Chain([b.Sigmoid(), b.AffineScalar(1.0, 2.0)])),
    ds.TransformedDistribution(normal, b.Affine(scale_diag=[2.0, 3.0]), event_shape=[2]),
    ds.Independent(ds.Normal([0.0, 1.0], [1.0, 2.0]), reinterpreted_batch_ndims=1),
):
    show("transformed", d.log_prob([0.3, 0.6]), tf.shape(d.sample(2, seed=1)))
hot = ds.OneHotCategorical(logits=[0.1, 0.2, 0.3])
show("one hot", hot.log_prob([0.0, 1.0, 0.0]), tf.reduce_sum(hot.sample(2), -1), hot.entropy())
relaxed = ds.RelaxedOneHotCategorical(0.5, logits=[0.1, 0.2, 0.3])
show("relaxed", relaxed.log_prob([0.2, 0.5, 0.3]), tf.reduce_sum(relaxed.sample(2), -1))
show("concrete", ds.RelaxedBernoulli(0.5, logits=0.3).log_prob(0.4))
for d in (
    ds.Poisson(rate=3.0),
    ds.Binomial(total_count=5.0, probs=0.4),
    ds.NegativeBinomial(total_count=5.0, probs=0.4),
    ds.Geometric(probs=0.3),
    ds.Logistic(0.5, 2.0),
    ds.Cauchy(0.5, 2.0),
    ds.InverseGamma(3.0, 2.0),
    ds.HalfNormal(2.0),
    ds.Chi2(3.0),
):
    show(type(d).__name__, d.log_prob([1.0, 2.0]))
show("fill", ds.fill_triangular([1.0, 2.0, 3.0]), ds.percentile([1.0, 2.0, 9.0], 50.0))
show("affine", b.Affine([1.0, 2.0], scale_tril=tril).forward(x), b.Softplus().inverse(x[0]))
values = [[4.0, 1.0], [3.0, 7.0], [1.0, 8.0], [2.0, 6.0]]
for how in ("nearest", "lower", "higher"):
    show(how, ds.percentile(values, 50.0, axis=[0], interpolation=how, keep_dims=True))
