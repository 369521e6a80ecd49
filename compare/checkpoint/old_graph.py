"""What the graph beside a checkpoint of TensorFlow 1 (.meta) says about the checkpoint's tensors.

A `tf.train.Saver` writes the program's graph beside its first checkpoint and each later one. It
holds what the tensors do not: the order of the variables, the optimizer's constants, which
variable is whose slot, and the LSTM cells' forget bias.
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
    "ApplyAdam": ([_M, _V], 5),
    "ApplyRMSProp": ([_MEAN_SQUARE, _MOMENTUM], 3),
    "ApplyCenteredRMSProp": (["RMSProp's mean gradient", _MEAN_SQUARE, _MOMENTUM], 4),
    "ApplyAdagrad": (["Adagrad's accumulator"], 2),
    "ApplyAdadelta": (["Adadelta's accumulator", "Adadelta's update accumulator"], 3),
    "ApplyFtrl": (["Ftrl's accumulator", "Ftrl's linear term"], 4),
}
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
_FED = ("Placeholder", "PlaceholderWithDefault")


class OldGraph:
    """The graph beside a checkpoint.

    Attributes
    ----------
    order : the names of the variables in the order of their creation.
    slots : {name of a slot: (its variable, what it holds)}.
    """

    def __init__(self, meta_graph, variable_class):
        collections = meta_graph.collection_def
        self.order, self.slots, self._rates = [], {}, {}
        for name in ("variables", "trainable_variables"):
            for content in collections[name].bytes_list.value if name in collections else []:
                variable = variable_class.FromString(content)
                if variable.variable_name not in self.order:
                    self.order.append(variable.variable_name)
        self.order = [name.partition(":")[0] for name in self.order]
        self._graph = meta_graph.graph_def
        self._nodes = {node.name: node for node in self._graph.node}
        for node in self._graph.node:
            self._read_update(node)

    def _read_update(self, node) -> None:
        """Notes the slots and the learning rate of an operation that updates a variable."""
        found = re.fullmatch(r"(?:Resource)?(?:Sparse)?(Apply\w+?)(V2)?", node.op)
        if found and found[1] in UPDATES:
            kinds, position = UPDATES[found[1]]
            owner = self._variable(node.input[0])
            for kind, name in zip(kinds, node.input[1:]):
                self.slots[self._variable(name)] = (owner, kind)
            self._rates[owner] = node.input[position]

    def _variable(self, tensor: str) -> str:
        """Returns the name of the variable that an operation takes."""
        node = self._nodes.get(tensor.partition(":")[0].lstrip("^"))
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

    def forget_bias(self, cell: str) -> float | None:
        """Returns the forget bias of an LSTM cell; None if the graph does not show it.

        It is the constant that is added to the third part of the cell's product.

        Parameters
        ----------
        cell : the scope of its variables, such as rnn/basic_lstm_cell.
        """
        inside = [node for function in self._graph.library.function for node in function.node_def]
        nodes = [*self._graph.node, *inside]
        constants = {node.name: node for node in nodes if node.op == "Const"}
        found = {}
        for node in nodes:
            if node.op in ("LSTMBlockCell", "BlockLSTM", "BlockLSTMV2"):
                found[node.name] = node.attr["forget_bias"].f
            elif node.op in ("Add", "AddV2") and re.search(r"split\w*(:output)?:2$", node.input[0]):
                constant = constants.get(node.input[1].partition(":")[0])
                if constant is not None:
                    found[node.name] = _scalar(constant)
        near = {v for name, v in found.items() if _place(name).endswith(_place(cell + "/add"))}
        values = near or set(found.values())
        return values.pop() if len(values) == 1 else None


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
