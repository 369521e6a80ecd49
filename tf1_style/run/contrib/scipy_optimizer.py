"""Stands for `tf.contrib.opt.ScipyOptimizerInterface`: SciPy's minimizers on a TensorFlow loss."""

import numpy as np
import tensorflow.compat.v1 as tf


def _gradient(tensor, variables):
    """Returns the gradient by all variables as one vector."""
    gradients = tf.gradients(tensor, variables)
    return _vector(
        [tf.zeros_like(var) if grad is None else grad for grad, var in zip(gradients, variables)]
    )


def _vector(tensors):
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)


class ExternalOptimizerInterface:
    """Minimizes a loss with an algorithm outside of TensorFlow, its subclass's `_minimize`."""

    def __init__(
        self,
        loss,
        var_list=None,
        equalities=None,
        inequalities=None,
        var_to_bounds=None,
        **optimizer_kwargs,
    ):
        self._loss = loss
        self._equalities = equalities or []
        self._inequalities = inequalities or []
        self._vars = tf.trainable_variables() if var_list is None else list(var_list)
        self.optimizer_kwargs = optimizer_kwargs
        sizes = [int(np.prod(var.shape.as_list())) for var in self._vars]
        self._ends = np.cumsum(sizes)
        self._packed_bounds = self._bounds(var_to_bounds)
        self._update_placeholders = [tf.placeholder(var.dtype.base_dtype) for var in self._vars]
        self._var_updates = [
            var.assign(tf.reshape(value, var.shape.as_list()))
            for var, value in zip(self._vars, self._update_placeholders)
        ]
        self._packed_var = _vector(self._vars)
        self._packed_loss_grad = _gradient(loss, self._vars)
        self._equality_grads = [_gradient(part, self._vars) for part in self._equalities]
        self._inequality_grads = [_gradient(part, self._vars) for part in self._inequalities]

    def _bounds(self, var_to_bounds):
        if var_to_bounds is None:
            return None
        given = {var.ref(): bounds for var, bounds in var_to_bounds.items()}
        packed = []
        for var in self._vars:
            low, high = given.get(var.ref(), (-np.inf, np.inf))
            shape = var.shape.as_list()
            low = np.broadcast_to(-np.inf if low is None else low, shape).flat
            high = np.broadcast_to(np.inf if high is None else high, shape).flat
            packed.extend(zip(low, high))
        return packed

    def minimize(
        self,
        session=None,
        feed_dict=None,
        fetches=None,
        step_callback=None,
        loss_callback=None,
        **run_kwargs,
    ):
        """Finds the variables' values and sets them.

        `step_callback` gets the vector of all values after each step, `loss_callback` the values of
        `fetches` each time that the loss is computed.
        """
        session = session or tf.get_default_session()
        feed_dict, fetches = feed_dict or {}, fetches or []

        def function(tensors, callback=None):
            def evaluated(values):
                feed = {**dict(zip(self._vars, self._parts(values))), **feed_dict}
                found = session.run([*tensors, *fetches], feed)
                if callback is not None:
                    callback(*found[len(tensors) :])
                return found[: len(tensors)]

            return evaluated

        def scalar(tensor):
            evaluated = function([tensor])
            return lambda values: evaluated(values)[0]

        final = self._minimize(
            initial_val=session.run(self._packed_var),
            loss_grad_func=function([self._loss, self._packed_loss_grad], loss_callback),
            equality_funcs=[scalar(part) for part in self._equalities],
            equality_grad_funcs=[scalar(part) for part in self._equality_grads],
            inequality_funcs=[scalar(part) for part in self._inequalities],
            inequality_grad_funcs=[scalar(part) for part in self._inequality_grads],
            packed_bounds=self._packed_bounds,
            step_callback=step_callback,
            optimizer_kwargs=self.optimizer_kwargs,
        )
        feed = dict(zip(self._update_placeholders, self._parts(final)))
        session.run(self._var_updates, feed, **run_kwargs)

    def _parts(self, values):
        parts = np.split(values, self._ends[:-1])
        return [part.reshape(var.shape.as_list()) for part, var in zip(parts, self._vars)]

    def _minimize(self, **arguments):
        raise NotImplementedError("Subclass this class and define _minimize")


class ScipyOptimizerInterface(ExternalOptimizerInterface):
    """By default L-BFGS-B; `method` and `options` go to `scipy.optimize.minimize`."""

    def _minimize(self, initial_val, loss_grad_func, optimizer_kwargs, **given):
        import scipy.optimize

        def double(function):
            return lambda values: np.asarray(function(values), "float64")

        def loss_and_gradient(values):
            loss, gradient = loss_grad_func(values)
            return float(loss), gradient.astype("float64")

        constraints = [
            {"type": kind, "fun": double(function), "jac": double(gradient)}
            for kind, name in (("eq", "equality"), ("ineq", "inequality"))
            for function, gradient in zip(given[f"{name}_funcs"], given[f"{name}_grad_funcs"])
        ]
        keywords = {
            "method": "L-BFGS-B",
            "bounds": given["packed_bounds"],
            "callback": given["step_callback"],
            **optimizer_kwargs,
        }
        result = scipy.optimize.minimize(
            loss_and_gradient,
            initial_val.astype("float64"),
            jac=True,
            constraints=constraints,
            **keywords,
        )
        tf.logging.info(
            "Optimization terminated with:\n  Message: %s\n  Objective function value: %f",
            result.message,
            result.fun,
        )
        return result.x
