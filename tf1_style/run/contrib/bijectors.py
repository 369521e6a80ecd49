"""Stands for `tf.contrib.distributions.bijectors`: those of tensorflow-probability."""

import tensorflow.compat.v1 as tf

from tf1_style.run import python_names
from tf1_style.run.contrib.distributions import probability

probability()
import tensorflow_probability.python.bijectors as today
from tensorflow_probability.python.bijectors import pad

pad.np = python_names.ROOTS["numpy"]("numpy")  # it calls np.reshape(x, newshape=...)


def __getattr__(name):
    return getattr(today, name)


def BatchNormalization(batchnorm_layer=None, *arguments, **keywords):
    """Normalizes by a layer of `tf.layers`, whose variables have the names of old checkpoints."""
    if batchnorm_layer is None:
        batchnorm_layer = tf.layers.BatchNormalization(
            gamma_constraint=lambda x: tf.nn.relu(x) + 1e-6
        )
    return today.BatchNormalization(batchnorm_layer, *arguments, **keywords)


def AffineScalar(shift=None, scale=None, log_scale=None, validate_args=False, name="affine_scalar"):
    """Returns y = scale x + shift."""
    parts = [] if shift is None else [today.Shift(shift, validate_args)]
    if scale is not None or log_scale is not None:
        parts.append(today.Scale(scale, log_scale, validate_args))
    return today.Chain(parts, validate_args=validate_args, name=name)


def Affine(
    shift=None,
    scale_identity_multiplier=None,
    scale_diag=None,
    scale_tril=None,
    validate_args=False,
    name="affine",
    **rest,
):
    """Returns y = scale x + shift, the scale of a vector being a number, a diagonal or a matrix."""
    if any(value is not None for value in rest.values()):
        raise NotImplementedError(f"bijectors.Affine takes no {', '.join(rest)} here")
    parts = [] if shift is None else [today.Shift(shift, validate_args)]
    if scale_tril is not None:
        parts.append(today.ScaleMatvecTriL(scale_tril, validate_args=validate_args))
    elif scale_diag is not None:
        diagonal = scale_diag
        if scale_identity_multiplier is not None:
            diagonal += scale_identity_multiplier
        parts.append(today.ScaleMatvecDiag(diagonal, validate_args=validate_args))
    elif scale_identity_multiplier is not None:
        parts.append(today.Scale(scale_identity_multiplier, validate_args=validate_args))
    return today.Chain(parts, validate_args=validate_args, name=name)
