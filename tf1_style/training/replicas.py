"""Several replicas of a model, each with a part of the batch (TensorFlow 1 style).

On one machine they are towers of one graph. On several they are processes that share variables on a
parameter server. The twin is tf2_style/training/replicas.py. See docs/distribution.md.
"""

import contextlib

import tensorflow.compat.v1 as tf

from shared import batches, cluster
from tf1_style.training.layers import BatchNorm
from tf1_style.training.optimizers import OPTIMIZERS


def replicated(Trainer, flags, task):
    """Returns a subclass of `Trainer` for --distribution; `task` is this process's, or None.

    It returns None if the task only serves variables.
    """
    if task and task.role == "ps":
        return None
    kind = {"sync": SyncReplica, "async": AsyncReplica}.get(flags.distribution, Mirrored)
    attributes = {"task": task, "count": flags.replicas, "is_synced": flags.sync_batch_norm}
    return type(kind.__name__, (kind, Trainer), attributes)


class Mirrored:
    """Towers in one graph, each on a device of its own; the variables are on the first device.

    Each tower takes its part of the batch. The gradients are averaged, then applied once.
    """

    @contextlib.contextmanager
    def together(self):
        yield

    def forward(self, batch, keep_prob, training, replica=0):
        if not training:
            return super().forward(batch, keep_prob, training)
        updates = tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)
        self.towers = []
        for k in range(self.count):
            with tf.name_scope(f"tower_{k}"), tf.device(f"/{self.device_type()}:{k}"):
                part = {name: self.part(tensor, k) for name, tensor in batch.items()}
                with synced_batch_norm(TowerMean(self.count) if self.is_synced else None):
                    self.towers.append(super().forward(part, keep_prob, training, replica=k))
            if k == 0:
                first = list(updates)
        updates[:] = first  # batch norm's averages follow the first replica
        losses, metrics, outputs, activations = zip(*self.towers)
        return (
            mean(losses),
            {name: mean([each[name] for each in metrics]) for name in metrics[0]},
            {name: tf.concat([each[name] for each in outputs], 0) for name in outputs[0]},
            {name: tf.concat([each[name] for each in activations], 0) for name in activations[0]},
        )

    def part(self, tensor, k):
        """Returns the k-th of `count` equal parts of a tensor [n, ...]."""
        size = tf.shape(tensor)[0] // self.count
        part = tensor[k * size : (k + 1) * size]
        part.set_shape([None, *tensor.shape.as_list()[1:]])
        return part

    def device_type(self):
        return "gpu" if tf.config.experimental.list_physical_devices("GPU") else "cpu"

    def minimize(self, loss):
        """Returns the averaged [(gradient, variable)] and the operation that applies them."""
        towers = []
        for k, (tower_loss, *_) in enumerate(self.towers):
            with tf.name_scope(f"tower_{k}"), tf.device(f"/{self.device_type()}:{k}"):
                towers.append(dense(self.optimizer.compute_gradients(tower_loss)))
        gradients = [
            (mean([gradient for gradient, _ in pairs]), pairs[0][1]) for pairs in zip(*towers)
        ]
        updates = tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)
        with tf.control_dependencies(updates):
            train_op = self.optimizer.apply_gradients(gradients, global_step=self.global_step)
        del updates[:]
        return gradients, train_op

    def create_session(self, config):
        config.device_count["CPU"] = self.count  # logical devices, each with all threads
        return super().create_session(config)


class Replica:
    """One process of a cluster; the variables are on the parameter servers, or on the chief.

    The chief initializes or restores the variables. `last_step` is the last of them, so that the
    other replicas wait for the restored values.
    """

    def __init__(self, model_class, flags):
        self.is_chief = self.task.is_chief
        self.optimizer_name = flags.optimizer
        self.watch = cluster.Watch(self.task)
        self.server = start_server(self.task, flags)
        self.spec = tf.train.ClusterSpec(self.task.cluster)
        holders = "ps" if self.task.count("ps") else self.task.replicas[0][0]
        self.holder = f"/job:{holders}/task:0"  # of what the replicas share besides variables
        worker = f"/job:{self.task.role}/task:{self.task.index}"
        with tf.device(
            tf.train.replica_device_setter(
                ps_tasks=self.task.count("ps") or 1,
                ps_device=f"/job:{holders}",
                worker_device=worker,
            )
        ):
            self.last_step = variable(tf.constant(flags.max_steps, tf.int64), "last_step")
            self.is_started = tf.is_variable_initialized(self.last_step)
            self.ended = [
                flag("ended", f"/job:{role}/task:{k}")
                for role, addresses in sorted(self.task.cluster.items())
                for k in range(len(addresses))
            ]
            self.done = [flag(f"done_{k}") for k in range(self.count)]
            self.all_done = tf.reduce_all([tf.is_variable_initialized(done) for done in self.done])
            super().__init__(model_class, flags)

    def forward(self, batch, keep_prob, training, replica=0):
        replica = self.task.replica if training else 0
        mean = None
        if self.is_synced and training:
            mean = ReplicaMean(self.count, self.is_chief, self.holder)
        with synced_batch_norm(mean):
            return super().forward(batch, keep_prob, training, replica)

    def create_session(self, config):
        """Starts a session on this process's server; the chief initializes the variables."""
        self.config = config
        if not self.is_chief:
            # Without filters a session waits for the other workers too, and does not survive them.
            names = ["ps", self.task.replicas[0][0], f"{self.task.role}/task:{self.task.index}"]
            config.device_filters.extend(f"/job:{name}" for name in names)
            return tf.Session(self.server.target, config=config)
        session = tf.Session(self.server.target, config=config)
        session.run(tf.variables_initializer([*tf.global_variables(), *self.initialized()]))
        return session

    def initialized(self):
        """Returns the variables that no checkpoint holds."""
        return []

    @contextlib.contextmanager
    def together(self):
        """Trains together with the other tasks: starts with them, and ends with them."""
        with self.watch, self.watch.explaining(tf.errors.OpError, RuntimeError):
            self.begin()
            yield map(int, self.session.run([self.global_step, self.last_step]))
            if not self.is_chief:
                self.watch.stop()  # from here on the chief may end at any time
            self.session.run(self.done[self.task.replica].initializer)
            if self.is_chief:
                self.end()
        if not self.is_chief:
            cluster.end_after_chief(self.task)

    def begin(self):
        """Starts the session that trains, as soon as the chief has restored the variables."""
        if not self.is_chief:  # a MonitoredTrainingSession looks only every 30 seconds
            cluster.wait_until(lambda: self.session.run(self.is_started))
        scaffold = tf.train.Scaffold(
            init_op=self.last_step.initializer,
            ready_op=tf.report_uninitialized_variables([self.last_step]),
        )
        self.training_session = tf.train.MonitoredTrainingSession(
            self.server.target,
            is_chief=self.is_chief,
            scaffold=scaffold,
            hooks=self.hooks(),
            config=self.config,
            log_step_count_steps=None,
        )

    def hooks(self):
        return []

    def end(self):
        """Waits for the other replicas, which a busy machine may delay, and lets all tasks end.

        The variables stay until the chief's process ends.
        """
        cluster.wait_until(lambda: self.session.run(self.all_done))
        self.session.run([ended.initializer for ended in self.ended])
        # The session that trains has finalized the graph. The test may add a Saver.
        tf.get_default_graph()._unsafe_unfinalize()

    def train_step(self, batch, keep_prob, learning_rate, **run_arguments):
        """Takes part in one step with this replica's part of the batch; returns the loss."""
        part = batches.part(batch, self.task.replica, self.count)
        feed_dict = self.feed(part, keep_prob)
        feed_dict[self.learning_rate] = learning_rate
        _, loss = self.training_session.run(
            [self.train_op, self.fetched_loss], feed_dict, **run_arguments
        )
        return loss


class SyncReplica(Replica):
    """Waits in each step for the gradients of all replicas, whose mean is applied once."""

    def minimize(self, loss):
        """Returns this replica's [(gradient, variable)], and the operation of its step."""
        # The optimizer applies the gradients in a thread of the chief, which feeds nothing.
        self.rate = variable(0.0, "rate")
        optimizer = OPTIMIZERS[self.optimizer_name](self.rate)
        optimizer._create_slots(tf.trainable_variables())  # here, so that names keep the scope
        self.optimizer = tf.train.SyncReplicasOptimizer(
            optimizer,
            replicas_to_aggregate=self.count,
            total_num_replicas=self.count,
        )
        # SparseConditionalAccumulator would average each row over the replicas that have it.
        gradients = dense(self.optimizer.compute_gradients(loss))
        with tf.device(self.holder):
            losses = tf.ConditionalAccumulator(tf.float32, [], shared_name="losses")
        before = [losses.apply_grad(loss, local_step=self.global_step)]
        updates = tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)
        if self.is_chief:
            # Batch norm's averages follow the first replica; those of several would race.
            before += [self.rate.assign(self.learning_rate), *updates]
            # The mean of this step's losses is taken before any replica can start the next step,
            # because the update waits for the chief's gradients.
            with tf.control_dependencies(before):
                self.loss = losses.take_grad(self.count)
            before.append(self.loss)
        del updates[:]
        with tf.control_dependencies(before):
            sent = [(tf.identity(gradient), variable) for gradient, variable in gradients]
        train_op = self.optimizer.apply_gradients(sent, global_step=self.global_step)
        return gradients, tf.group(train_op)

    def initialized(self):
        return [self.rate]

    def hooks(self):
        # With the default, -1, there are tokens at the start: a fast replica may take two, and
        # contribute two gradients to one step.
        return [self.optimizer.make_session_run_hook(self.is_chief, num_tokens=0)]


class AsyncReplica(Replica):
    """Applies its own gradients, whatever the other replicas do meanwhile.

    Of n replicas, each takes every n-th step, with the whole batch of that step.
    """

    def begin(self):
        super().begin()
        self.step = int(self.session.run(self.global_step))
        self.last_loss = 0.0

    def train_step(self, batch, keep_prob, learning_rate, **run_arguments):
        """Trains if the step is this replica's; returns the loss of its newest step."""
        if self.step % self.count == self.task.replica:
            feed_dict = self.feed(batch, keep_prob)
            feed_dict[self.learning_rate] = learning_rate
            fetches = [self.train_op, self.fetched_loss]
            _, self.last_loss = self.training_session.run(fetches, feed_dict, **run_arguments)
        self.step += 1
        return self.last_loss


def serve(task, flags):
    """Serves variables until the chief ends."""
    with cluster.Watch(task) as watch:
        server = start_server(task, flags)
        ended = flag("ended", f"/job:{task.role}/task:{task.index}")
        is_ended = tf.is_variable_initialized(ended)
        config = tf.ConfigProto(device_filters=[f"/job:{task.role}/task:{task.index}"])
        with tf.Session(server.target, config=config) as session:
            cluster.wait_until(lambda: session.run(is_ended))
        watch.stop()
    cluster.end_after_chief(task)


def start_server(task, flags):
    """Starts TensorFlow's server of this task; other tasks reach this process through it."""
    config = tf.ConfigProto(intra_op_parallelism_threads=flags.threads)
    spec = tf.train.ClusterSpec(task.cluster)
    try:
        return tf.train.Server(spec, job_name=task.role, task_index=task.index, config=config)
    except tf.errors.OpError as error:
        raise cluster.no_server(task, error.message)


@contextlib.contextmanager
def synced_batch_norm(mean):
    """Lets batch norm take its means by `mean`, such as a TowerMean, while a replica is built."""
    before = BatchNorm.__dict__["over_replicas"]
    if mean:
        BatchNorm.over_replicas = staticmethod(mean)
    try:
        yield
    finally:
        BatchNorm.over_replicas = before


class TowerMean:
    """Takes the mean of a tensor over all towers; its gradient is the mean of theirs.

    The n-th call in one tower goes with the n-th call in each of the others.
    """

    def __init__(self, count):
        self.count = count
        self.key = 0

    def __call__(self, tensor):
        self.key += 2
        key = self.key

        @tf.custom_gradient
        def mean_of_all(tensor):
            return self.reduce(tensor, key), lambda dy: self.reduce(dy, key + 1)

        return mean_of_all(tensor)

    def reduce(self, tensor, key):
        return tf.raw_ops.CollectiveReduce(
            input=tensor,
            group_size=self.count,
            group_key=1,
            instance_key=key,
            merge_op="Add",
            final_op="Div",
            subdiv_offsets=[0],
        )


class ReplicaMean(TowerMean):
    """Takes the mean over all processes of a cluster, where they share their variables.

    Collectives do not work there: they need the same step number in all sessions, and a parameter
    server keeps the steps of several sessions apart by their numbers.
    """

    def __init__(self, count, is_chief, holder):
        super().__init__(count)
        self.is_chief = is_chief
        self.holder = holder

    def reduce(self, tensor, key):
        shape = tensor.shape
        with tf.device(self.holder):
            total = tf.ConditionalAccumulator(tensor.dtype, shape, shared_name=f"mean_{key}")
            means = tf.FIFOQueue(self.count, tensor.dtype, shape, shared_name=f"means_{key}")
        # Never stale: each replica waits for the mean of a step before it starts the next.
        sent = total.apply_grad(tensor, local_step=tf.int64.max)
        if self.is_chief:
            with tf.control_dependencies([sent]):
                sent = means.enqueue_many(tf.stack([total.take_grad(self.count)] * self.count))
        with tf.control_dependencies([sent]):
            return means.dequeue()


def flag(name, device=""):
    """Returns a variable that is only initialized or not, to tell other processes."""
    with tf.device(device):  # "" keeps the device that the setter chooses
        return variable(True, name)


def variable(value, name):
    """Returns a variable that no checkpoint holds."""
    return tf.Variable(value, trainable=False, collections=[], name=name)


def dense(pairs):
    """Returns [(gradient, variable)] with each sparse gradient, of an embedding, made dense."""
    return [(tf.convert_to_tensor(gradient), variable) for gradient, variable in pairs]


def mean(tensors):
    """Returns the mean of tensors of equal shapes, added in their order."""
    return tf.add_n(tensors) / len(tensors)
