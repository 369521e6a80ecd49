"""Optimizers by their names (TensorFlow 2 style).

Each one does what `tf.train.*Optimizer` did: it has the same kernel, the default constants and the
slot names of TensorFlow 1. A program that does not have to reproduce its old numbers can use
Keras's optimizers instead. Those have other defaults (epsilon 1e-7 for Adam), some have other rules
(see RMSProp), and they round differently. tests/test_twins.py compares the two.
"""

import tensorflow as tf


def _slots(variables, name, value=0.0):
    """Returns one slot per variable, with the same shape, filled with `value`."""
    return [
        tf.Variable(
            tf.fill(variable.shape, value),
            trainable=False,
            name=f"{variable.name.split(':')[0]}/{name}",
        )
        for variable in variables
    ]


def _sum_duplicates(gradient):
    """Returns the rows and the indices of a sparse gradient, each index once, as TF1 does."""
    indices, positions = tf.unique(gradient.indices)
    rows = tf.math.unsorted_segment_sum(gradient.values, positions, tf.shape(indices)[0])
    return rows, indices


def _update(dense, sparse, gradient, **arguments):
    """Calls the kernel for a dense gradient, or that for a sparse one (`tf.IndexedSlices`).

    The gradient of an embedding is sparse. Its kernel updates only the rows of the words in the
    batch: the slots of other rows do not decay. Keras's optimizers update all rows.
    """
    if isinstance(gradient, tf.IndexedSlices):
        rows, indices = _sum_duplicates(gradient)
        sparse(grad=rows, indices=indices, **arguments)
    else:
        dense(grad=gradient, **arguments)


class GradientDescent(tf.Module):
    """w -= learning_rate * g"""

    def __init__(self, variables):
        super().__init__()
        self.variables_to_train = variables

    def apply(self, gradients, learning_rate):
        for variable, gradient in zip(self.variables_to_train, gradients):
            if isinstance(gradient, tf.IndexedSlices):
                variable.scatter_sub(
                    tf.IndexedSlices(gradient.values * learning_rate, gradient.indices)
                )
            else:
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=variable.handle, alpha=learning_rate, delta=gradient
                )


class Momentum(tf.Module):
    """a = momentum * a + g; w -= learning_rate * a

    With Nesterov's momentum: w -= learning_rate * (g + momentum * a)
    """

    def __init__(self, variables, momentum=0.9, use_nesterov=False):
        super().__init__()
        self.variables_to_train = variables
        self.momentum = momentum
        self.use_nesterov = use_nesterov
        self.accumulators = _slots(variables, "Momentum")

    def apply(self, gradients, learning_rate):
        for variable, accumulator, gradient in zip(
            self.variables_to_train, self.accumulators, gradients
        ):
            _update(
                tf.raw_ops.ResourceApplyMomentum,
                tf.raw_ops.ResourceSparseApplyMomentum,
                gradient,
                var=variable.handle,
                accum=accumulator.handle,
                lr=learning_rate,
                momentum=self.momentum,
                use_nesterov=self.use_nesterov,
            )


class Adagrad(tf.Module):
    """a += g**2; w -= learning_rate * g / sqrt(a)

    The accumulator starts at 0.1, as in Keras. Keras also adds an epsilon under the root.
    """

    def __init__(self, variables, initial_accumulator_value=0.1):
        super().__init__()
        self.variables_to_train = variables
        self.accumulators = _slots(variables, "Adagrad", initial_accumulator_value)

    def apply(self, gradients, learning_rate):
        for variable, accumulator, gradient in zip(
            self.variables_to_train, self.accumulators, gradients
        ):
            _update(
                tf.raw_ops.ResourceApplyAdagrad,
                tf.raw_ops.ResourceSparseApplyAdagrad,
                gradient,
                var=variable.handle,
                accum=accumulator.handle,
                lr=learning_rate,
            )


class RMSProp(tf.Module):
    """s = decay * s + (1 - decay) * g**2; w -= learning_rate * g / sqrt(s + epsilon)

    The mean square s starts at 1. In Keras's RMSprop it starts at 0, so its first steps are much
    longer. Keras also makes sparse gradients dense: s of each row of an embedding decays in each
    step.
    """

    def __init__(
        self,
        variables,
        decay=0.9,
        momentum=0.0,
        epsilon=1e-10,
        initial_mean_square=1.0,
        dense=False,
    ):
        super().__init__()
        self.dense = dense
        self.variables_to_train = variables
        self.decay = decay
        self.momentum = momentum
        self.epsilon = epsilon
        self.mean_squares = _slots(variables, "RMSProp", initial_mean_square)
        self.moments = _slots(variables, "RMSProp_1")

    def apply(self, gradients, learning_rate):
        for variable, mean_square, moment, gradient in zip(
            self.variables_to_train, self.mean_squares, self.moments, gradients
        ):
            if self.dense:
                gradient = tf.convert_to_tensor(gradient)
            _update(
                tf.raw_ops.ResourceApplyRMSProp,
                tf.raw_ops.ResourceSparseApplyRMSProp,
                gradient,
                var=variable.handle,
                ms=mean_square.handle,
                mom=moment.handle,
                lr=learning_rate,
                rho=self.decay,
                momentum=self.momentum,
                epsilon=self.epsilon,
            )


class Adam(tf.Module):
    """m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g**2;
    w -= learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + epsilon)

    Epsilon is 1e-8. In Keras's Adam it is 1e-7.
    """

    def __init__(self, variables, beta1=0.9, beta2=0.999, epsilon=1e-8):
        super().__init__()
        self.variables_to_train = variables
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.beta1_power = tf.Variable(beta1, trainable=False, name="beta1_power")
        self.beta2_power = tf.Variable(beta2, trainable=False, name="beta2_power")
        self.m = _slots(variables, "Adam")
        self.v = _slots(variables, "Adam_1")

    def apply(self, gradients, learning_rate):
        for variable, m, v, gradient in zip(self.variables_to_train, self.m, self.v, gradients):
            if isinstance(gradient, tf.IndexedSlices):
                self.apply_rows(variable, m, v, gradient, learning_rate)
                continue
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=self.beta1_power,
                beta2_power=self.beta2_power,
                lr=learning_rate,
                beta1=self.beta1,
                beta2=self.beta2,
                epsilon=self.epsilon,
                grad=gradient,
            )
        self.beta1_power.assign(self.beta1_power * self.beta1)
        self.beta2_power.assign(self.beta2_power * self.beta2)

    def apply_rows(self, variable, m, v, gradient, learning_rate):
        """Applies a sparse gradient. TF1 has no kernel for it: all rows decay and are updated."""
        rows, indices = _sum_duplicates(gradient)
        beta1, beta2 = tf.constant(self.beta1), tf.constant(self.beta2)  # 1 - beta in float32
        rate = learning_rate * tf.sqrt(1 - self.beta2_power) / (1 - self.beta1_power)
        m.assign(m * beta1)
        m.scatter_add(tf.IndexedSlices(rows * (1 - beta1), indices))
        v.assign(v * beta2)
        v.scatter_add(tf.IndexedSlices(rows * rows * (1 - beta2), indices))
        variable.assign_sub(rate * m / (tf.sqrt(v) + self.epsilon))


OPTIMIZERS = {
    "sgd": GradientDescent,
    "momentum": Momentum,
    "nesterov": lambda variables: Momentum(variables, use_nesterov=True),
    "adagrad": Adagrad,
    "rmsprop": RMSProp,
    # With Keras's constants.
    "rmsprop_keras": lambda variables: RMSProp(
        variables, epsilon=1e-7, initial_mean_square=0.0, dense=True
    ),
    # Keras 2 adds its epsilon to the root, not under it. So the small gradients of an embedding
    # make steps as long as those of other weights. Under the root it is the square, 1e-14.
    "rmsprop_keras2": lambda variables: RMSProp(
        variables, epsilon=1e-14, initial_mean_square=0.0, dense=True
    ),
    "adam": Adam,
}
