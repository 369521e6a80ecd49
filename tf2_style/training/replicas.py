"""Several replicas of a model, each with a part of the batch (TensorFlow 2 style).

A strategy of `tf.distribute` copies the variables to each device or process. The twin is
tf1_style/training/replicas.py. See docs/distribution.md.
"""

import collections
import contextlib
import os

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.distribute import multi_worker_util
from tensorflow.python.eager import context

from shared import batches, cluster, machine
from tf2_style.training.layers import BatchNorm
from tf2_style.training.trainer import KEEP_PROB, LEARNING_RATE, signature


def replicated(Trainer, flags, task):
    """Returns a subclass of `Trainer` for --distribution; `task` is this process's, or None.

    It returns None if the task only serves: the workers of `ParameterServerStrategy` do what the
    chief, which does not train, sends them.
    """
    if task and (task.role == "ps" or (flags.distribution == "async" and not task.is_chief)):
        return None
    kind = {"sync": SyncReplica, "async": AsyncReplica}.get(flags.distribution, Mirrored)
    attributes = {"task": task, "count": flags.replicas, "is_synced": flags.sync_batch_norm}
    return type(kind.__name__, (kind, Trainer), attributes)


class Mirrored:
    """Replicas on the devices of this process, by `MirroredStrategy`.

    Each replica has its copy of the variables and its part of the batch. The gradients are averaged
    over all replicas, and each applies them to its copy.
    """

    def __init__(self, model_class, flags):
        tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
        tf.config.threading.set_inter_op_parallelism_threads(machine.threads_between(flags))
        self.max_steps = flags.max_steps
        self.strategy = self.create_strategy(flags)
        with self.strategy.scope(), tf.variable_creator_scope(follow_first_replica):
            super().__init__(model_class, flags)
        batch = {**signature(model_class.inputs), **signature(model_class.targets)}
        self.step_of_all = tf.function(
            self.step_of_all, input_signature=[batch, KEEP_PROB, LEARNING_RATE]
        )

    def create_strategy(self, flags):
        if tf.config.list_physical_devices("GPU"):
            return tf.distribute.MirroredStrategy([f"GPU:{k}" for k in range(self.count)])
        (cpu,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(self.count)]
        tf.config.set_logical_device_configuration(cpu, logical)  # each with all threads
        return tf.distribute.MirroredStrategy([f"CPU:{k}" for k in range(self.count)])

    def create_optimizer(self, flags):
        """Returns the optimizer, which averages the gradients before it applies them."""
        optimizer = super().create_optimizer(flags)
        for part in (optimizer, *optimizer.submodules):
            if hasattr(part, "apply"):
                part.apply = averaged(part.apply)
        return optimizer

    @contextlib.contextmanager
    def together(self):
        yield

    def forward(self, batch, keep_prob, training, replica=0):
        if training:
            replica = replica_number()
        with synced_batch_norm(self.is_synced and training):
            return super().forward(batch, keep_prob, training, replica)

    def update(self, batch, keep_prob, learning_rate):
        """Updates the weights once, in each replica; returns the mean of the losses."""
        loss = super().update(batch, keep_prob, learning_rate)
        return mean(loss)

    def step_of_all(self, batch, keep_prob, learning_rate):
        """Runs `update` in all replicas of this process; returns the mean of the losses."""

        def step(batch):
            part = self.part(batch, replica_number())
            return self.update.python_function(part, keep_prob, learning_rate)

        losses = self.strategy.run(step, [batch])
        return self.strategy.experimental_local_results(losses)[0]

    def part(self, batch, k):
        """Returns the k-th of `count` equal parts of a batch."""
        size = tf.shape(next(iter(batch.values())))[0] // self.count
        return {name: tensor[k * size : (k + 1) * size] for name, tensor in batch.items()}

    def train_step(self, batch, keep_prob, learning_rate):
        """Updates the weights once; returns the mean of the replicas' losses."""
        tensors = {name: tf.constant(array) for name, array in batch.items()}
        return self.step_of_all(tensors, tf.constant(keep_prob), tf.constant(learning_rate)).numpy()


class SyncReplica(Mirrored):
    """One process of a cluster, by `MultiWorkerMirroredStrategy`: there is no parameter server."""

    def create_strategy(self, flags):
        options = tf.distribute.experimental.CommunicationOptions(
            implementation=tf.distribute.experimental.CommunicationImplementation.RING
            if not tf.config.list_physical_devices("GPU")
            else tf.distribute.experimental.CommunicationImplementation.AUTO
        )
        wait_for_heartbeats(self.task)
        cluster.meet(self.task)
        self.watch = cluster.Watch(self.task)
        with self.watch.explaining(tf.errors.OpError, RuntimeError):
            strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver(self.task), options)
        cluster.met()
        return strategy

    def part(self, batch, k):
        return batch  # a process gets only its part

    @contextlib.contextmanager
    def together(self):
        """Trains together with the other tasks: starts with them, and ends with them."""
        with self.watch, self.watch.explaining(tf.errors.OpError):
            max_steps = self.strategy.run(tf.function(self.copy_from_chief))
            yield int(self.global_step.numpy()), int(max_steps.numpy())
        if not self.task.is_chief:
            cluster.end_after_chief(self.task)

    def copy_from_chief(self):
        """Gives all replicas the chief's variables, which may be restored ones, and its last step.

        The chief's bits and the zeros of the others are added, as integers.
        """
        context = tf.distribute.get_replica_context()
        for variable in self.variables.values():
            kind = {4: tf.int32, 8: tf.int64}[variable.dtype.size]
            bits = tf.bitcast(variable, kind) * int(self.task.is_chief)
            bits = context.all_reduce(tf.distribute.ReduceOp.SUM, bits)
            variable.assign(tf.bitcast(bits, variable.dtype))
        max_steps = tf.constant(self.max_steps * self.task.is_chief, tf.int64)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, max_steps)

    def train_step(self, batch, keep_prob, learning_rate):
        part = batches.part(batch, self.task.replica, self.count)
        return super().train_step(part, keep_prob, learning_rate)


class AsyncReplica:
    """The chief of `ParameterServerStrategy`: it hands out steps and does not wait for them."""

    def __init__(self, model_class, flags):
        tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
        tf.config.threading.set_inter_op_parallelism_threads(machine.threads_between(flags))
        cluster.meet(self.task)
        self.watch = cluster.Watch(self.task)
        self.count = self.task.count("worker")
        self.strategy = tf.distribute.ParameterServerStrategy(resolver(self.task))
        cluster.met()
        self.coordinator = tf.distribute.coordinator.ClusterCoordinator(self.strategy)
        with self.strategy.scope():
            super().__init__(model_class, flags)
        self.pending = collections.deque()
        self.evaluate = self.after_all(self.evaluate)

    @contextlib.contextmanager
    def together(self):
        with self.watch, self.watch.explaining(tf.errors.OpError):
            yield
            self.coordinator.join()

    def after_all(self, function):
        """Returns a function that first waits for all steps that are handed out."""

        def wait_and_call(*arguments):
            self.coordinator.join()
            return function(*arguments)

        return wait_and_call

    def train_step(self, batch, keep_prob, learning_rate):
        """Hands out a step; returns the loss of the oldest of those that are still running."""
        tensors = {name: tf.constant(array) for name, array in batch.items()}
        arguments = (tensors, tf.constant(keep_prob), tf.constant(learning_rate))
        self.pending.append(self.coordinator.schedule(self.update, args=arguments))
        loss = self.pending[0].fetch() if len(self.pending) > self.count else None
        if loss is not None or len(self.pending) == 1:
            loss = self.pending.popleft().fetch() if loss is None else loss
            if len(self.pending) > self.count:
                self.pending.popleft()
            self.last_loss = loss
        return self.last_loss


def wait_for_heartbeats(task):
    """Lets TensorFlow wait for a silent task longer than the watch, which names it.

    By default it gives a task up after some ten seconds, and --cluster_timeout would not count.
    """
    spec = tf.train.ClusterSpec(task.cluster)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=multi_worker_util.coordination_leader(spec),
        heartbeat_timeout_in_ms=int(1000 * (task.timeout + 30)),
        coordinated_jobs=[
            CoordinatedJob(name=job, num_tasks=spec.num_tasks(job))
            for job in ("chief", "worker")
            if job in spec.jobs
        ],
    )


def serve(task, flags):
    """Serves variables, or computes what the chief sends, until the chief ends."""
    tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
    # A function that a server computes waits for variables of other servers, and keeps a thread
    # meanwhile. With a thread for each of few cores, all would wait for ever. The server does not
    # read `tf.config`.
    threads = max(machine.cores(), task.count("worker") + 1)
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(threads))
    with cluster.Watch(task, only=[task.chief[0]], is_lost_an_error=False):
        try:
            spec = tf.train.ClusterSpec(task.cluster)
            server = tf.distribute.Server(spec, job_name=task.role, task_index=task.index)
        except tf.errors.OpError as error:
            raise cluster.no_server(task, error.message)
        server.join()


def resolver(task):
    """Returns TensorFlow's description of the cluster."""
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(task.cluster),
        task_type=task.role,
        task_id=task.index,
        rpc_layer="grpc",
    )


def follow_first_replica(next_creator, **arguments):
    """Creates a variable whose assignments, such as batch norm's, take the first replica's value.

    The kernels of the optimizers update each copy by its handle. They need no aggregation, because
    all copies get the same gradient.
    """
    arguments["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return next_creator(**arguments)


@contextlib.contextmanager
def synced_batch_norm(is_synced):
    """Lets batch norm take its means over all replicas; a mean's gradient is the mean of theirs."""
    before = BatchNorm.__dict__["over_replicas"]
    if is_synced:
        BatchNorm.over_replicas = staticmethod(mean)
    try:
        yield
    finally:
        BatchNorm.over_replicas = before


def replica_number():
    """Returns the number of the replica that is being traced, an int."""
    context = tf.distribute.get_replica_context()
    return int(tf.get_static_value(tf.convert_to_tensor(context.replica_id_in_sync_group)))


def averaged(apply):
    """Wraps an optimizer's `apply`, so that it gets the mean of all replicas' gradients."""

    def apply_mean(gradients, learning_rate):
        # Made dense: a sparse gradient, of an embedding, has other rows in each replica.
        return apply(mean([tf.convert_to_tensor(each) for each in gradients]), learning_rate)

    return apply_mean


def mean(tensors):
    """Returns the mean of a tensor, or of each of a list of tensors, over all replicas."""
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tensors)
