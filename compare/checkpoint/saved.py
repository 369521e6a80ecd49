"""Reads a checkpoint of either TensorFlow: its tensors, and what each of them is for."""

import re
from dataclasses import dataclass, field

import numpy as np

from compare.checkpoint import old_graph
from compare.parity import names
from shared import checkpoint_files, checkpoints

WEIGHT, STEP, RATE, POWER, SEED = "weight", "step", "learning rate", "power of beta", "seed"
M, V = "Adam's m", "Adam's v"
ACCUMULATOR, VELOCITY = "Momentum's accumulator", "SGD's velocity"
MEAN_SQUARE, MEAN_GRADIENT = "RMSProp's mean square", "RMSProp's mean gradient"
MOMENTUM, AVERAGE = "RMSProp's momentum", "moving average"
# The slots of Keras's optimizers, by the names of their lists.
_KERAS = [
    {"momentums": VELOCITY},
    {"momentums": M, "velocities": V},
    {"accumulations": ACCUMULATOR},  # of the class in the guide, which keeps TensorFlow 1's rule
    {"accumulators": "Adagrad's accumulator"},
    {"accumulators": "Ftrl's accumulator", "linears": "Ftrl's linear term"},
    {
        "accumulated_grads": "Adadelta's accumulator",
        "accumulated_delta_vars": "Adadelta's update accumulator",
    },
]
_RMSPROP = {
    "velocities": MEAN_SQUARE,
    "momentums": MOMENTUM,
    "average_gradients": MEAN_GRADIENT,
}
KERAS_KINDS = {kind for kinds in [*_KERAS, _RMSPROP] for kind in kinds.values()}
_AVERAGES = "model_variables_moving_average"
_OTHERS = re.compile(r"(lion|lamb|nadam|adamax|muon|adafactor|schedule)", re.IGNORECASE)
_PART = re.compile(r"(.+)/part_(\d+)(/.+)?")


@dataclass
class Tensor:
    """One tensor of a checkpoint.

    Attributes
    ----------
    name : of its variable; for a variable in parts, without /part_0.
    key : of the tensor in the checkpoint.
    kind : what it holds: WEIGHT, STEP, ..., or the kind of a slot, such as M.
    owner : the name of a slot's variable.
    parts : the keys of a variable's parts, along `axis`.
    dealt : the number of parts of an embedding that has its rows dealt out to them.
    """

    name: str
    key: str
    shape: list[int]
    dtype: str
    kind: str = WEIGHT
    owner: str | None = None
    parts: list[str] = field(default_factory=list)
    axis: int = 0
    dealt: int = 1

    @property
    def form(self) -> str:
        return f"{self.dtype} {self.shape}"


class Saved:
    """A checkpoint.

    Attributes
    ----------
    path : the common prefix of its files.
    tensors : {name: Tensor}, in the order of creation if it `is_ordered`, else of the names.
    is_tf2 : whether tf.train.Checkpoint wrote it.
    trained : {name of the counter or rate of an optimizer of Keras: the weights that it updates}.
    """

    def __init__(self, path: str):
        """Reads what the checkpoint holds, but no values.

        Raises
        ------
        UserError : it is damaged, or no checkpoint.
        """
        import tensorflow as tf
        from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto
        from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

        self.path = path
        with checkpoints.reading(path, tf.errors.OpError):
            checkpoint_files.check(path, BundleHeaderProto, BundleEntryProto)
            self.reader = tf.train.load_checkpoint(path)
            shapes = self.reader.get_variable_to_shape_map()
            dtypes = self.reader.get_variable_to_dtype_map()
            keys = checkpoints.tensors(self.reader, TrackableObjectGraph)
            self.is_tf2 = checkpoints.OBJECT_GRAPH in shapes
            self.nodes = self.object_graph().nodes if self.is_tf2 else []
        self.tensors = {
            name: Tensor(name, keys[name], shapes[keys[name]], dtypes[keys[name]].name)
            for name in sorted(keys, key=_natural)
        }
        self._by_key = {tensor.key: tensor for tensor in self.tensors.values()}
        self.graph = None if self.is_tf2 else old_graph.load(path)
        self.is_ordered = bool(self.is_tf2 or (self.graph and self.graph.order))
        if not self.is_tf2:
            _merge_parts(self.tensors)
        self._tell_kinds()
        self._sort()
        self._find_dealt()

    def _find_dealt(self) -> None:
        """Finds the embeddings that have their rows dealt out to their parts, with their slots."""
        parts = self.graph.interleaved() if self.graph else set()
        for name, tensor in self.tensors.items():
            owner = tensor.owner or name
            count = sum(whole(part) == owner for part in self.graph.order) if parts else 0
            if any(whole(part) == owner for part in parts):
                tensor.dealt = count

    def _sort(self) -> None:
        if self.is_tf2:
            order = [tensor.name for tensor in map(self._tensor_of, self._walk()) if tensor]
        else:
            order = [whole(name) for name in self.graph.order] if self.graph else []
        places = {name: place for place, name in reversed(list(enumerate(order)))}
        ordered = sorted(self.tensors, key=lambda name: places.get(name, len(order)))
        self.tensors = {name: self.tensors[name] for name in ordered}

    def _tell_kinds(self) -> None:
        """Finds what each tensor holds: by the graph where there is one, else by its name."""
        every = list(self.tensors)
        centered = any(name.endswith("/RMSProp_2") for name in every)
        for name, tensor in self.tensors.items():
            last, role, slot = name.rpartition("/")[2], names.role(name, every), None
            places = {last, self.path_of(name).rpartition("/")[2]}
            is_step = role == "step" or "step" in places
            if is_step and not tensor.shape and "int" in tensor.dtype:
                tensor.kind = STEP
            elif last.strip("_") == "learning_rate":
                tensor.kind = RATE
            elif re.fullmatch(r"beta[12]_power(_\d+)?", last):
                tensor.kind = POWER
            elif last.endswith("seed_generator_state"):
                tensor.kind = SEED
            else:
                slot = names.slot(name, every)
            if slot:
                tensor.owner, tensor.kind = slot
                if centered and last in ("RMSProp_1", "RMSProp_2"):
                    tensor.kind = MEAN_GRADIENT if last == "RMSProp_1" else MOMENTUM
        self.trained = {}
        slots = self._keras_slots() if self.is_tf2 else self._graph_slots()
        for name, (owner, kind) in slots.items():
            if name in self.tensors and owner in self.tensors:
                self.tensors[name].owner, self.tensors[name].kind = owner, kind

    def _graph_slots(self) -> dict[str, tuple[str, str]]:
        slots = self.graph.slots if self.graph else {}
        return {whole(name): (whole(owner), kind) for name, (owner, kind) in slots.items()}

    def _keras_slots(self) -> dict[str, tuple[str, str]]:
        """Returns {slot: (variable, kind)} of the optimizers of Keras in the graph of objects."""
        found = {}
        for node in self.nodes:
            children = _children(node)
            if not {"_iterations", "_variables"} <= set(children):
                continue
            lists = {name.strip("_"): self._items(number) for name, number in children.items()}
            owners = lists.get("trainable_variables", [])
            known = dict.fromkeys(name for kinds in [*_KERAS, _RMSPROP] for name in kinds)
            slots = {name: lists[name] for name in known if lists.get(name)}
            step = self._tensor_of(children["_iterations"])
            optimizer = step.name.rpartition("/")[0] if step else ""
            rate = self._tensor_of(children.get("_learning_rate", children["_iterations"]))
            for tensor in filter(None, (step, rate)):
                self.trained[tensor.name] = [owner.name for owner in owners if owner]
            if "average_gradients" in lists:
                kinds = _RMSPROP
            else:
                fitting = [kinds for kinds in _KERAS if set(kinds) == set(slots)]
                kinds = fitting[0] if fitting and not _OTHERS.match(optimizer) else {}
            slots[_AVERAGES] = lists.get(_AVERAGES, [])
            kinds = {**kinds, _AVERAGES: AVERAGE}
            for name, items in slots.items():
                for place, tensor in enumerate(items):
                    owner = owners[place] if place < len(owners) else None
                    owner = owner.name if owner else tensor and self._named_after(tensor.name)
                    if tensor and owner:
                        kind = kinds.get(name, f"{optimizer or 'the optimizer'}'s {name}")
                        found[tensor.name] = (owner, kind)
        return found

    def _named_after(self, slot: str) -> str | None:
        """Returns the variable of a slot as Keras 2 names it: m/dense/kernel."""
        parts = slot.split("/")
        rest = ("/".join(parts[start:]) for start in range(1, len(parts)))
        return next((name for name in rest if name in self.tensors), None)

    def _items(self, number: int) -> list[Tensor | None]:
        children = _children(self.nodes[number])
        items = sorted((int(name), child) for name, child in children.items() if name.isdigit())
        return [self._tensor_of(child) for _, child in items]

    def _tensor_of(self, number: int) -> Tensor | None:
        """Returns the tensor of an object in the graph of objects."""
        attributes = self.nodes[number].attributes
        return self._by_key.get(attributes[0].checkpoint_key) if attributes else None

    def roots(self) -> dict[str, str]:
        """Returns {name: the argument of tf.train.Checkpoint(...) that holds the tensor}.

        An optimizer counts only where nothing else holds it. Checkpoint sorts its arguments by
        their names, so the order of what two of them hold is not that of creation. A model that is
        the root itself has its attributes in their order.
        """
        found = {}
        places = _children(self.nodes[0]) if self.nodes else {}
        arguments = [name for name in places if name != checkpoints.SAVE_COUNTER]
        for is_optimizer in (False, True) if arguments == sorted(arguments) else ():
            for name, number in places.items():
                if ("_iterations" in _children(self.nodes[number])) == is_optimizer:
                    for tensor in filter(None, map(self._tensor_of, self._walk(number))):
                        found.setdefault(tensor.name, name)
        return found

    def _walk(self, start: int = 0) -> list[int]:
        """Returns the objects' numbers in the order of attributes, those of optimizers last."""
        found, later, stack = {}, [], [start]  # a dict keeps the order
        while stack or later:
            number = stack.pop() if stack else later.pop(0)
            children = _children(self.nodes[number])
            if number in found:
                continue
            if "_iterations" in children and stack:
                later.append(number)
                continue
            found[number] = True
            stack += reversed(children.values())
        return list(found)

    def cells(self) -> list[list[str]]:
        """Returns [kernel, recurrent kernel, bias] of each recurrent layer of Keras."""
        found = []
        for number in self._walk() if self.is_tf2 else []:
            children = _children(self.nodes[number])
            if {"kernel", "recurrent_kernel"} <= set(children):
                parts = [children.get(part) for part in ("kernel", "recurrent_kernel", "bias")]
                tensors = [self._tensor_of(part) for part in parts if part is not None]
                found.append([tensor.name for tensor in tensors if tensor])
        if self.is_tf2:
            found += self._stacked_cells({name for names in found for name in names})
        for name in [] if self.is_tf2 else self.tensors:
            scope, _, last = name.rpartition("/")
            if last == "recurrent_kernel":
                every = [f"{scope}/{part}" for part in ("kernel", "recurrent_kernel", "bias")]
                found.append([part for part in every if part in self.tensors])
        return found

    def _stacked_cells(self, known: set[str]) -> list[list[str]]:
        """Returns further cells, by their weights' own names.

        Of cells in a list, as in RNN([LSTMCell(4), LSTMCell(4)]), Keras's checkpoint has only the
        weights, in the optimizer's list.
        """
        nodes = [self.nodes[number] for number in self._walk()]
        variables = [node.attributes[0] for node in nodes if node.attributes]
        tensors = [(self._by_key.get(v.checkpoint_key), v.full_name) for v in variables]
        tensors = [(t.name, name) for t, name in tensors if t and t.kind == WEIGHT]
        found = []
        for place, (name, full_name) in enumerate(tensors):
            scope, _, last = full_name.rpartition("/")
            if last == "recurrent_kernel" and name not in known:
                beside = tensors[max(place - 1, 0) : place + 2]
                found.append([n for n, full in beside if full.rpartition("/")[0] == scope])
        return found

    def resolve(self, text: str) -> str | None:
        """Returns the name of the tensor with a name or a path through objects, or None."""
        if text in self.tensors:
            return text
        for name, tensor in self.tensors.items():
            if text in (tensor.key, checkpoints.path_of(tensor.key)):
                return name
        number = 0
        for part in text.split("/") if self.nodes else []:
            number = _children(self.nodes[number]).get(part)
            if number is None:
                return None
        tensor = self._tensor_of(number) if self.nodes else None
        return tensor.name if tensor else None

    def of_kind(self, kind: str) -> list[Tensor]:
        return [tensor for tensor in self.tensors.values() if tensor.kind == kind]

    def slots(self, owner: str) -> dict[str, str]:
        """Returns {kind: name} of a variable's slots."""
        return {t.kind: t.name for t in self.tensors.values() if t.owner == owner}

    def object_graph(self):
        """Returns a copy of the graph of objects, of a checkpoint of TensorFlow 2."""
        from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

        return TrackableObjectGraph.FromString(self.reader.get_tensor(checkpoints.OBJECT_GRAPH))

    def value(self, name: str) -> np.ndarray:
        """Reads a tensor.

        Raises
        ------
        UserError : the checkpoint is damaged.
        """
        import tensorflow as tf

        tensor = self.tensors[name]
        with checkpoints.reading(self.path, tf.errors.OpError):
            if tensor.parts:
                parts = [self.reader.get_tensor(key) for key in tensor.parts]
                value = np.concatenate(parts, tensor.axis)
            else:
                value = self.reader.get_tensor(tensor.key)
        return collected(value, tensor.dealt) if tensor.dealt > 1 else value

    def divided(self, name: str, value: np.ndarray) -> dict[str, np.ndarray]:
        """Returns {key: value} of a tensor's parts, as `value` joins them."""
        tensor = self.tensors[name]
        value = dealt_out(value, tensor.dealt) if tensor.dealt > 1 else value
        if not tensor.parts:
            return {tensor.key: value}
        sizes = [self.reader.get_tensor(key).shape[tensor.axis] for key in tensor.parts]
        return dict(zip(tensor.parts, np.split(value, np.cumsum(sizes)[:-1], tensor.axis)))

    def rates(self) -> dict[str, float]:
        """Returns the weights' learning rates, where the graph beside the checkpoint has them."""
        found = self.graph.rates(self.value) if self.graph else {}
        return {whole(name): rate for name, rate in found.items()}

    def path_of(self, name: str) -> str:
        """Returns a tensor's path in a checkpoint of TensorFlow 2, its name in one of 1."""
        return checkpoints.path_of(self.tensors[name].key)


def collected(value: np.ndarray, parts: int) -> np.ndarray:
    """Returns an embedding's rows in their order, where they were dealt out to parts."""
    result = np.empty_like(value)
    result[_dealt(len(value), parts)] = value
    return result


def dealt_out(value: np.ndarray, parts: int) -> np.ndarray:
    """Undoes `collected`."""
    return value[_dealt(len(value), parts)]


def _dealt(rows: int, parts: int) -> np.ndarray:
    return np.concatenate([np.arange(part, rows, parts) for part in range(parts)])


def _children(node) -> dict[str, int]:
    return {child.local_name: child.node_id for child in node.children}


def _natural(name: str) -> list:
    """Sorts dense_2 before dense_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def whole(name: str) -> str:
    """Returns the name of a variable that a partitioner divided: w/Adam of w/part_1/Adam."""
    found = _PART.fullmatch(name)
    return found[1] + (found[3] or "") if found else name


def _merge_parts(tensors: dict[str, Tensor]) -> None:
    """Replaces tensors such as w/part_0 and w/part_1 by one."""
    parts = {}
    for name in list(tensors):
        found = _PART.fullmatch(name)
        if found:
            parts.setdefault(whole(name), {})[int(found[2])] = tensors[name]
    for name, found in parts.items():
        shapes = [found[number].shape for number in sorted(found)]
        unequal = [axis for axis, lengths in enumerate(zip(*shapes)) if len(set(lengths)) > 1]
        is_whole = list(range(len(found))) == sorted(found) and name not in tensors
        if is_whole and len(unequal) <= 1 and all(shapes) and len({*map(len, shapes)}) == 1:
            axis = unequal[0] if unequal else 0  # the partitioners of TensorFlow divide the first
            shape = [*shapes[0]]
            shape[axis] = sum(other[axis] for other in shapes)
            keys = [found[number].key for number in sorted(found)]
            for part in found.values():
                del tensors[part.name]
            tensors[name] = Tensor(name, keys[0], shape, found[0].dtype, parts=keys, axis=axis)
