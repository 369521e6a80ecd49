"""Update rules by their names (TensorFlow 2 style).

Each is what `tf.train.*Optimizer` was: the same kernel, TensorFlow 1's default constants, its
names for the slots. A program that may compute other numbers than before can take the optimizer
of Keras instead; those have other defaults (epsilon 1e-7 for Adam) and in part other rules (see
RMSProp), and round otherwise. tests/test_twins.py holds the two against each other.
"""

import tensorflow as tf


def _slots(variables, name, value=0.0):
    """Returns one slot per variable, of its shape, filled with `value`."""
    return [
        tf.Variable(
            tf.fill(variable.shape, value),
            trainable=False,
            name=f"{variable.name.split(':')[0]}/{name}",
        )
        for variable in variables
    ]


class GradientDescent(tf.Module):
    """w -= learning_rate * g"""

    def __init__(self, variables):
        super().__init__()
        self.variables_to_train = variables

    def apply(self, gradients, learning_rate):
        for variable, gradient in zip(self.variables_to_train, gradients):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=learning_rate, delta=gradient
            )


class Momentum(tf.Module):
    """a = momentum * a + g; w -= learning_rate * a

    Nesterov's takes the next step's momentum into account: w -= learning_rate * (g + momentum * a)
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
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=accumulator.handle,
                lr=learning_rate,
                grad=gradient,
                momentum=self.momentum,
                use_nesterov=self.use_nesterov,
            )


class Adagrad(tf.Module):
    """a += g**2; w -= learning_rate * g / sqrt(a)

    The accumulator starts at 0.1. Keras's Adagrad does too, and adds an epsilon under the root.
    """

    def __init__(self, variables, initial_accumulator_value=0.1):
        super().__init__()
        self.variables_to_train = variables
        self.accumulators = _slots(variables, "Adagrad", initial_accumulator_value)

    def apply(self, gradients, learning_rate):
        for variable, accumulator, gradient in zip(
            self.variables_to_train, self.accumulators, gradients
        ):
            tf.raw_ops.ResourceApplyAdagrad(
                var=variable.handle,
                accum=accumulator.handle,
                lr=learning_rate,
                grad=gradient,
            )


class RMSProp(tf.Module):
    """s = decay * s + (1 - decay) * g**2; w -= learning_rate * g / sqrt(s + epsilon)

    The mean square s starts at 1, in Keras's RMSprop at 0: its first steps are much longer.
    """

    def __init__(self, variables, decay=0.9, momentum=0.0, epsilon=1e-10, initial_mean_square=1.0):
        super().__init__()
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
            tf.raw_ops.ResourceApplyRMSProp(
                var=variable.handle,
                ms=mean_square.handle,
                mom=moment.handle,
                lr=learning_rate,
                rho=self.decay,
                momentum=self.momentum,
                epsilon=self.epsilon,
                grad=gradient,
            )


class Adam(tf.Module):
    """m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g**2;
    w -= learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + epsilon)

    Epsilon is 1e-8; in Keras's Adam it is 1e-7.
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


OPTIMIZERS = {
    "sgd": GradientDescent,
    "momentum": Momentum,
    "nesterov": lambda variables: Momentum(variables, use_nesterov=True),
    "adagrad": Adagrad,
    "rmsprop": RMSProp,
    # With Keras's constants.
    "rmsprop_keras": lambda variables: RMSProp(variables, epsilon=1e-7, initial_mean_square=0.0),
    "adam": Adam,
}
