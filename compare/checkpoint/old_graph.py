"""What the graph beside a checkpoint of TensorFlow 1 (.meta) says about the checkpoint's tensors.

A `tf.train.Saver` writes the program's graph beside its first checkpoint and each later one. It
holds what the tensors do not: the order in which the variables were created and used, the
optimizer's constants, which variable is whose slot, the LSTM cells' forget bias, and how the rows
of an embedding in parts are counted.
"""

import os
import re

import numpy as np

# The slots of the operations that update a variable, and the position of the learning rate.
_M, _V = "Adam's m", "Adam's v"
_MEAN_SQUARE, _MOMENTUM = "RMSProp's mean square", "RMSProp's momentum"
UPDATES = {
    "ApplyGradientDescent": ([], 1),
    "ApplyMomentum": (["Momentum's accumulator"], 2),
    "ApplyKerasMomentum": (["SGD's velocity"], 2),
    "ApplyAdam": ([_M, _V], 5),
    "ApplyRMSProp": ([_MEAN_SQUARE, _MOMENTUM], 3),
    "ApplyCenteredRMSProp": (["RMSProp's mean gradient", _MEAN_SQUARE, _MOMENTUM], 4),
    "ApplyAdagrad": (["Adagrad's accumulator"], 2),
    "ApplyAdadelta": (["Adadelta's accumulator", "Adadelta's update accumulator"], 3),
    "ApplyFtrl": (["Ftrl's accumulator", "Ftrl's linear term"], 4),
}
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
_FED = ("Placeholder", "PlaceholderWithDefault")
_READS = ("Identity", "ReadVariableOp", "Enter", "RefEnter", "Cast")
_GATHERS = ("Gather", "GatherV2", "ResourceGather")


class OldGraph:
    """The graph beside a checkpoint.

    Attributes
    ----------
    order : the names of the variables in the order of their creation.
    slots : {name of a slot: (its variable, what it holds)}.
    powers : {name of a variable: the tensors beta1_power, beta2_power, beta1 and beta2 of its
        Adam}.
    """

    def __init__(self, meta_graph, variable_class):
        collections = meta_graph.collection_def
        self.slots, self.powers, self._rates = {}, {}, {}
        every, trained = (
            [
                variable_class.FromString(content).variable_name.partition(":")[0]
                for content in (collections[name].bytes_list.value if name in collections else [])
            ]
            for name in ("variables", "trainable_variables")
        )
        self.order = list(dict.fromkeys([*every, *trained]))
        self._graph = meta_graph.graph_def
        for node in self._graph.node:  # what only has to run before is no part of a value
            inputs = [name for name in node.input if not name.startswith("^")]
            node.ClearField("input")
            node.input.extend(inputs)
        self._nodes = {node.name: node for node in self._graph.node}
        for node in self._graph.node:
            self._read_update(node)
        self._read_sparse_slots(trained)

    def _read_update(self, node) -> None:
        """Notes the slots and the learning rate of an operation that updates a variable."""
        found = re.fullmatch(r"(?:Resource)?(?:Sparse)?(Apply\w+?)(V2)?", node.op)
        if found and found[1] in UPDATES:
            kinds, position = UPDATES[found[1]]
            owner = self._variable(node.input[0])
            for kind, name in zip(kinds, node.input[1:]):
                self.slots[self._variable(name)] = (owner, kind)
            self._rates[owner] = node.input[position]
            if found[1] == "ApplyAdam":
                powers = [self._variable(name) for name in node.input[3:5]]
                self.powers[owner] = (*powers, *node.input[6:8])

    def _read_sparse_slots(self, trained: list[str]) -> None:
        """Notes slots whose weight gets sparse gradients, which no single operation applies.

        Their last part is that of the optimizer's other slots: table/mine_1 and kernel/mine_1.
        """
        known = {name.rpartition("/")[2]: kind for name, (_, kind) in self.slots.items()}
        for name in self.order:
            owner, _, last = name.rpartition("/")
            is_other = name not in self.slots and name not in trained
            if is_other and owner in trained and last in known:
                self.slots[name] = (owner, known[last])

    def _variable(self, tensor: str) -> str:
        """Returns the name of the variable that an operation takes."""
        node = self._nodes.get(tensor.partition(":")[0])
        while node is not None and node.op not in _VARIABLES and node.input:
            node = self._nodes.get(node.input[0].partition(":")[0])
        return node.name if node is not None else tensor

    def rates(self, value) -> dict[str, float]:
        """Returns the learning rate of each variable's next update, where it is known.

        Parameters
        ----------
        value : function of the name of a variable; returns its value in the checkpoint.
        """
        known = {tensor: self._evaluate(tensor, value) for tensor in set(self._rates.values())}
        found = {owner: known[tensor] for owner, tensor in self._rates.items()}
        return {owner: rate for owner, rate in found.items() if rate is not None}

    def rate_changes(self) -> bool:
        """Says whether a learning rate is computed from a variable, such as the step."""
        seen, stack = set(), [tensor.partition(":")[0] for tensor in self._rates.values()]
        while stack:
            node = self._nodes.get(stack.pop())
            if node is None or node.name in seen:
                continue
            if node.op in _VARIABLES:
                return True
            seen.add(node.name)
            stack += [name.partition(":")[0] for name in node.input]
        return False

    def betas(self, owner: str) -> tuple[float, float] | None:
        """Returns the constants of the Adam that updates a variable, if they are constants."""
        found = [self._evaluate(tensor, None) for tensor in self.powers[owner][2:]]
        return None if None in found else tuple(found)

    def uses(self) -> list[str]:
        """Returns the names of the variables in the order in which operations first use them."""
        found = {}
        for node in self._graph.node:
            if node.op in _READS or node.op.startswith(("Assign", "VarIsInit", "IsVariableInit")):
                continue
            for tensor in node.input:
                source = self._skip(tensor, _READS)
                if source is not None and source.op in _VARIABLES:
                    found.setdefault(source.name)
        return list(found)

    def interleaved(self) -> set[str]:
        """Returns the parts of embeddings whose rows are dealt out to them like cards.

        That is partition_strategy="mod", the default of tf.nn.embedding_lookup: of three parts,
        the first has the rows 0, 3, 6.
        """
        found = set()
        for node in self._graph.node:
            if node.op in _GATHERS:
                index = self._skip(node.input[1], _READS)
                if index is not None and index.op == "DynamicPartition":
                    parts = self._skip(index.input[1], _READS)
                    if parts is not None and parts.op in ("FloorMod", "Mod"):
                        found.add(self._variable(node.input[0]))
        return found

    def _skip(self, tensor: str, operations):
        """Returns the operation that computes a tensor, past such operations."""
        node = self._nodes.get(tensor.partition(":")[0])
        while node is not None and node.op in operations and node.input:
            node = self._nodes.get(node.input[0].partition(":")[0])
        return node

    def _evaluate(self, tensor: str, value) -> np.float32 | None:
        """Computes a tensor from the variables' values; None if it depends on what is fed."""
        import tensorflow.compat.v1 as tf

        name, _, output = tensor.partition(":")
        try:
            part = tf.graph_util.extract_sub_graph(self._graph, [name])
            if any(node.op in _FED for node in part.node):
                return None
            with tf.Graph().as_default() as graph:
                tf.import_graph_def(part, name="")
                values = {
                    operation.outputs[0]: value(operation.inputs[0].op.name)
                    for operation in graph.get_operations()
                    if operation.inputs and operation.inputs[0].op.type in _VARIABLES
                }
                with tf.Session() as session:
                    rate = session.run(f"{name}:{output or 0}", values)
        except (ValueError, LookupError, tf.errors.OpError, TypeError, AssertionError):
            return None
        return np.float32(rate) if np.ndim(rate) == 0 else None

    def forget_biases(self, cell: str) -> set[float]:
        """Returns what may be the forget bias of an LSTM cell; nothing if the graph shows none.

        It is the constant that is added to the third part of the cell's product. Which cell that
        is, the bias in the product shows; inside of functions, only the operation's scope does.

        Parameters
        ----------
        cell : the scope of its variables, such as rnn/basic_lstm_cell.
        """
        inside = [node for function in self._graph.library.function for node in function.node_def]
        nodes = [*self._graph.node, *inside]
        constants = {node.name: node for node in nodes if node.op == "Const"}
        found = {}  # (place, bias): value
        for node in nodes:
            if node.op in ("LSTMBlockCell", "BlockLSTM", "BlockLSTMV2"):
                bias = self._variable(node.input[-1])
                found[_place(node.name), bias] = node.attr["forget_bias"].f
            elif node.op in ("Add", "AddV2") and re.search(r"split\w*(:output)?:2$", node.input[0]):
                constant = constants.get(node.input[1].partition(":")[0])
                if constant is not None:
                    found[_place(node.name), self._bias(node.input[0])] = _scalar(constant)
        scope, place = cell + "/", _place(cell + "/add")
        own = {value for (_, bias), value in found.items() if bias.startswith(scope)}
        near = {value for (other, _), value in found.items() if other.endswith(place)}
        return own or near or set(found.values())

    def _bias(self, part: str) -> str:
        """Returns the name of the bias in a product that is split into gates, or ""."""
        split = self._nodes.get(part.partition(":")[0])
        product = self._skip(split.input[-1], _READS) if split is not None else None
        return self._variable(product.input[-1]) if product is not None and product.input else ""


def _place(name: str) -> str:
    """Returns the scope of an operation, without the scopes of a loop."""
    return re.sub(r"/while(_\d+)?(?=/)", "", name).rpartition("/")[0]


def _scalar(node) -> float:
    import tensorflow as tf

    return float(tf.make_ndarray(node.attr["value"].tensor))


def load(path: str) -> OldGraph | None:
    """Returns the graph beside a checkpoint, or None if there is none that can be read."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework.variable_pb2 import VariableDef
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    try:
        if not os.path.isfile(path + ".meta"):
            return None
        with open(path + ".meta", "rb") as file:
            return OldGraph(MetaGraphDef.FromString(file.read()), VariableDef)
    except (OSError, DecodeError):
        return None
