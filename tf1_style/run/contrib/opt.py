"""Stands for `tf.contrib.opt`: optimizers that are a few lines each."""

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib.scipy_optimizer import (  # noqa: F401
    ExternalOptimizerInterface,
    ScipyOptimizerInterface,
)


def _like(variable, *values):
    return [tf.cast(value, variable.dtype.base_dtype) for value in values]


class DecoupledWeightDecayExtension:
    """Shrinks each variable before its optimizer's step; Loshchilov & Hutter, 2017."""

    def __init__(self, weight_decay, **keywords):
        self._decay_var_list = None
        self._weight_decay = weight_decay
        super().__init__(**keywords)

    def minimize(self, loss, *arguments, decay_var_list=None, **keywords):
        self._decay_var_list = decay_var_list and {var.ref() for var in decay_var_list}
        return super().minimize(loss, *arguments, **keywords)

    def apply_gradients(self, grads_and_vars, *arguments, decay_var_list=None, **keywords):
        if decay_var_list:
            self._decay_var_list = {var.ref() for var in decay_var_list}
        return super().apply_gradients(grads_and_vars, *arguments, **keywords)

    def _prepare(self):
        decay = self._weight_decay
        decay = decay() if callable(decay) else decay
        self._decay_tensor = tf.convert_to_tensor(decay, name="weight_decay")
        super()._prepare()

    def _decayed(self, grad, var, rows=None):
        """Shrinks the variable, or some rows, once its gradient is there; 1.15 did not wait."""
        if self._decay_var_list and var.ref() not in self._decay_var_list:
            return tf.control_dependencies([])
        (decay,) = _like(var, self._decay_tensor)
        with tf.control_dependencies([grad]):
            if rows is None:
                shrunk = var.assign_sub(decay * var.read_value(), self._use_locking)
            else:
                shrunk = tf.scatter_sub(var, rows, decay * tf.gather(var, rows))
        return tf.control_dependencies([shrunk])

    def _apply_dense(self, grad, var):
        with self._decayed(grad, var):
            return super()._apply_dense(grad, var)

    def _resource_apply_dense(self, grad, var):
        with self._decayed(grad, var):
            return super()._resource_apply_dense(grad, var)

    def _apply_sparse(self, grad, var):
        with self._decayed(grad.values, var, grad.indices):
            return super()._apply_sparse(grad, var)

    def _resource_apply_sparse(self, grad, var, indices):
        with self._decayed(grad, var, indices):
            return super()._resource_apply_sparse(grad, var, indices)


def extend_with_decoupled_weight_decay(base_optimizer):
    class OptimizerWithDecoupledWeightDecay(DecoupledWeightDecayExtension, base_optimizer):
        def __init__(self, weight_decay, *arguments, **keywords):
            self._decay_var_list = None
            self._weight_decay = weight_decay
            base_optimizer.__init__(self, *arguments, **keywords)

    return OptimizerWithDecoupledWeightDecay


class MomentumWOptimizer(DecoupledWeightDecayExtension, tf.train.MomentumOptimizer):
    def __init__(
        self,
        weight_decay,
        learning_rate,
        momentum,
        use_locking=False,
        name="MomentumW",
        use_nesterov=False,
    ):
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            momentum=momentum,
            use_locking=use_locking,
            name=name,
            use_nesterov=use_nesterov,
        )


class AdamWOptimizer(DecoupledWeightDecayExtension, tf.train.AdamOptimizer):
    def __init__(
        self,
        weight_decay,
        learning_rate=0.001,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        use_locking=False,
        name="AdamW",
    ):
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            use_locking=use_locking,
            name=name,
        )


class _SlotAdam(tf.train.AdamOptimizer):
    """Adam whose steps are written out; they touch only the rows that a sparse gradient names."""

    def _rates(self, var):
        return _like(var, *self._get_beta_accumulators(), self._lr_t, self._beta1_t, self._beta2_t)

    def _apply_sparse(self, grad, var):
        return self._sparse(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad, var, indices):
        return self._sparse(grad, var, indices)

    def _kernel(self, name, grad, var, power, rate, beta1, beta2, **more):
        """Calls an optimizer kernel that takes Adam's slots, on either kind of variable."""
        is_resource = hasattr(var, "handle")
        kernel = getattr(tf.raw_ops, f"{'Resource' * is_resource}Apply{name}")
        var, m, v = (
            slot.handle if is_resource else slot._ref()
            for slot in (var, self.get_slot(var, "m"), self.get_slot(var, "v"))
        )
        epsilon = tf.cast(self._epsilon_t, grad.dtype)
        made = kernel(
            var=var,
            m=m,
            v=v,
            beta1_power=power,
            lr=rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            grad=grad,
            use_locking=self._use_locking,
            **more,
        )
        return made if is_resource else made.op


class LazyAdamOptimizer(_SlotAdam):
    """Adam that leaves alone the moments of rows without a gradient."""

    def _sparse(self, grad, var, indices):
        power1, power2, rate, beta1, beta2 = self._rates(var)
        (epsilon,) = _like(var, self._epsilon_t)
        rate = rate * tf.sqrt(1 - power2) / (1 - power1)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m = beta1 * tf.gather(m, indices) + (1 - beta1) * grad
        new_v = beta2 * tf.gather(v, indices) + (1 - beta2) * tf.square(grad)
        step = rate * new_m / (tf.sqrt(new_v) + epsilon)
        return tf.group(
            tf.scatter_sub(var, indices, step),
            tf.scatter_update(m, indices, new_m),
            tf.scatter_update(v, indices, new_v),
        )


class AdaMaxOptimizer(_SlotAdam):
    """Adam with the largest gradient in place of the second moment; Kingma & Ba, 2014, 7.1."""

    def __init__(
        self,
        learning_rate=0.001,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        use_locking=False,
        name="AdaMax",
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)

    def _get_beta_accumulators(self):
        graph = None if tf.executing_eagerly() else tf.get_default_graph()
        return self._get_non_slot_variable("beta1_power", graph), 0.0

    def _create_slots(self, var_list):
        first = min(var_list, key=lambda var: var.name)
        self._create_non_slot_variable(self._beta1, "beta1_power", first)
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _apply_dense(self, grad, var):
        power, _, rate, beta1, beta2 = self._rates(var)
        return self._kernel("AdaMax", grad, var, power, rate, beta1, beta2)

    _resource_apply_dense = _apply_dense

    def _sparse(self, grad, var, indices):
        power, _, rate, beta1, beta2 = self._rates(var)
        (epsilon,) = _like(var, self._epsilon_t)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m = beta1 * tf.gather(m, indices) + (1 - beta1) * grad
        new_v = tf.maximum(beta2 * tf.gather(v, indices), tf.abs(grad))
        step = rate / (1 - power) * (new_m / (new_v + epsilon))
        return tf.group(
            tf.scatter_sub(var, indices, step),
            tf.scatter_update(m, indices, new_m),
            tf.scatter_update(v, indices, new_v),
        )

    def _finish(self, update_ops, name_scope):
        power, _ = self._get_beta_accumulators()
        with tf.control_dependencies(update_ops), tf.colocate_with(power):
            update = power.assign(power * self._beta1_t, use_locking=self._use_locking)
        return tf.group(*update_ops, update, name=name_scope)


class NadamOptimizer(_SlotAdam):
    """Adam with Nesterov's momentum, by the optimizer kernel's own switch; Dozat, 2015."""

    def _apply_dense(self, grad, var):
        power, power2, rate, beta1, beta2 = self._rates(var)
        more = {"beta2_power": power2, "use_nesterov": True}
        return self._kernel("Adam", grad, var, power, rate, beta1, beta2, **more)

    _resource_apply_dense = _apply_dense

    def _sparse(self, grad, var, indices):
        power1, power2, rate, beta1, beta2 = self._rates(var)
        (epsilon,) = _like(var, self._epsilon_t)
        rate = rate * tf.sqrt(1 - power2) / (1 - power1)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        scaled = (1 - beta1) * grad
        with tf.control_dependencies([m.assign(m * beta1, use_locking=self._use_locking)]):
            new_m = tf.scatter_add(m, indices, scaled)
        with tf.control_dependencies([new_m]):
            ahead = beta1 * tf.identity(m) + tf.scatter_nd(
                indices[:, None], scaled, tf.shape(m, out_type=indices.dtype)
            )
        with tf.control_dependencies([v.assign(v * beta2, use_locking=self._use_locking)]):
            new_v = tf.scatter_add(v, indices, (1 - beta2) * tf.square(grad))
        with tf.control_dependencies([new_v]):
            step = rate * ahead / (tf.sqrt(tf.identity(v)) + epsilon)
        return tf.group(var.assign_sub(step, use_locking=self._use_locking), new_m, new_v)


class MovingAverageOptimizer(tf.train.Optimizer):
    """Keeps moving averages of the variables that another optimizer trains.

    `swapping_saver` returns a Saver that writes the averages under the variables' names.
    """

    def __init__(self, opt, average_decay=0.9999, num_updates=None, sequential_update=True):
        super().__init__(False, type(self).__name__)
        self._optimizer = opt
        self._ema = tf.train.ExponentialMovingAverage(average_decay, num_updates=num_updates)
        self._sequential = sequential_update
        self._averages = None

    def compute_gradients(self, *arguments, **keywords):
        return self._optimizer.compute_gradients(*arguments, **keywords)

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        train = self._optimizer.apply_gradients(grads_and_vars, global_step, name)
        variables = [variable for _, variable in grads_and_vars]
        with tf.control_dependencies([train] if self._sequential else []):
            averaging = self._ema.apply(variables)
        self._averages = {variable: self._ema.average(variable) for variable in variables}
        return tf.group(train, averaging, name="train_with_avg")

    def swapping_saver(self, var_list=None, name="swapping_saver", **keywords):
        if self._averages is None:
            raise RuntimeError("Must call apply_gradients or minimize before swapping_saver")
        variables = var_list or tf.global_variables()
        if not isinstance(variables, dict):
            variables = {variable.op.name: variable for variable in variables}
        averages = {key.op.name: value for key, value in self._averages.items()}
        swap = {key: value.op.name for key, value in averages.items() if key in variables}
        swap.update({value: key for key, value in swap.items()})
        by_name = {variable.op.name: variable for variable in tf.global_variables()}
        saved = {key: by_name.get(swap.get(key), value) for key, value in variables.items()}
        return tf.train.Saver(saved, name=name, **keywords)


class VariableClippingOptimizer(tf.train.Optimizer):
    """Clips the norms of variables after each step, along the dimensions given for each."""

    def __init__(
        self,
        opt,
        vars_to_clip_dims,
        max_norm,
        use_locking=False,
        colocate_clip_ops_with_vars=False,
        name="VariableClipping",
    ):
        super().__init__(use_locking, name)
        self._optimizer = opt
        self._dimensions = {var.ref(): list(dims) for var, dims in vars_to_clip_dims.items()}
        self._max_norm = max_norm

    def compute_gradients(self, *arguments, **keywords):
        return self._optimizer.compute_gradients(*arguments, **keywords)

    def get_slot(self, *arguments, **keywords):
        return self._optimizer.get_slot(*arguments, **keywords)

    def get_slot_names(self, *arguments, **keywords):
        return self._optimizer.get_slot_names(*arguments, **keywords)

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        grads_and_vars = list(grads_and_vars)
        update = self._optimizer.apply_gradients(grads_and_vars, global_step)
        clips = []
        for _, var in grads_and_vars:
            if var.ref() in self._dimensions:
                with tf.control_dependencies([update]):
                    value = var.read_value()
                    dimensions = self._dimensions[var.ref()]
                    clipped = tf.clip_by_norm(value, self._max_norm, dimensions)
                    clips.append(var.assign(clipped).op)
        return tf.group(update, *clips, name=name or self._name)


class LARSOptimizer(tf.train.Optimizer):
    """Momentum whose rate for each layer goes with its weights' norm; You et al., 2017."""

    def __init__(
        self,
        learning_rate,
        momentum=0.9,
        weight_decay=0.0001,
        eeta=0.001,
        epsilon=0.0,
        name="LARSOptimizer",
        skip_list=None,
        use_nesterov=False,
    ):
        super().__init__(False, name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._eeta = eeta
        self._epsilon = epsilon
        self._skip_list = skip_list or ()
        self._use_nesterov = use_nesterov

    def _create_slots(self, var_list):
        for var in var_list:
            self._zeros_slot(var, "momentum", self._name)

    def _rate(self, grad, var):
        if any(part in var.name for part in self._skip_list):
            return self._learning_rate, grad
        w, g = tf.norm(var), tf.norm(grad)
        trust = self._eeta * w / (g + self._weight_decay * w + self._epsilon)
        trust = tf.where(w > 0, tf.where(g > 0, trust, tf.ones_like(g)), tf.ones_like(w))
        return self._learning_rate * trust, grad + self._weight_decay * var

    def _apply_dense(self, grad, var):
        rate, grad = self._rate(grad, var)
        return tf.raw_ops.ApplyMomentum(
            var=var._ref(),
            accum=self.get_slot(var, "momentum")._ref(),
            lr=tf.cast(rate, var.dtype.base_dtype),
            grad=grad,
            momentum=tf.cast(self._momentum, var.dtype.base_dtype),
            use_nesterov=self._use_nesterov,
        ).op

    def _resource_apply_dense(self, grad, var):
        rate, grad = self._rate(grad, var)
        return tf.raw_ops.ResourceApplyMomentum(
            var=var.handle,
            accum=self.get_slot(var, "momentum").handle,
            lr=tf.cast(rate, var.dtype.base_dtype),
            grad=grad,
            momentum=tf.cast(self._momentum, var.dtype.base_dtype),
            use_nesterov=self._use_nesterov,
        )


def clip_gradients_by_global_norm(gradients_variables, clip_norm=20.0):
    gradients, variables = zip(*gradients_variables)
    clipped, norm = tf.clip_by_global_norm(gradients, clip_norm)
    return list(zip(clipped, variables)), norm
