"""The same bytes for the same ONNX model: tf2onnx orders and names its parts differently each time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def settle_order(path: Path) -> None:
    """Rewrite an ONNX file with its parts in the order in which its outputs need them, and numbered in it.

    Names of inputs and outputs stay. A model with graphs in its nodes (loops, branches) is left as it is.

    Args:
        path: the file.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    if any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute):
        return
    fixed = {"", *(value.name for value in (*graph.input, *graph.output))}
    nodes = list(_needed(graph))
    outputs = [name for node in nodes for name in node.output]
    constants = {tensor.name: tensor for tensor in graph.initializer}
    used = dict.fromkeys(name for node in nodes for name in node.input if name in constants)
    names = {name: name if name in fixed else f"t{number}" for number, name in enumerate([*used, *outputs])}
    names |= {name: name for name in fixed}
    tensors = [constants[name] for name in used]
    for tensor in tensors:
        tensor.name = names[tensor.name]
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}{number}"
        node.input[:], node.output[:] = ([names[name] for name in part] for part in (node.input, node.output))
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        _replace(node.attribute, attributes)
    _replace(graph.node, nodes)
    _replace(graph.initializer, tensors)
    del graph.value_info[:]
    graph.doc_string = ""
    for value in (*graph.input, *graph.output):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param:
                dim.dim_param = f"{value.name}_{axis}"
    path.write_bytes(model.SerializeToString(deterministic=True))


def _needed(graph: "GraphProto") -> "Iterator[NodeProto]":
    """Yield the nodes that the outputs need, each after those that it needs itself."""
    makers = {name: node for node in graph.node for name in node.output}
    done: set[str] = set()
    stack = [value.name for value in reversed(graph.output)]
    while stack:
        node = makers.get(stack[-1])
        if node is None or node.output[0] in done:
            stack.pop()
            continue
        missing = [name for name in node.input if name in makers and makers[name].output[0] not in done]
        if missing:
            stack += reversed(missing)
            continue
        done.add(node.output[0])
        yield node


def _replace(field: object, values: list) -> None:
    """Put copies of other messages in the place of a repeated field's."""
    copies = []
    for value in values:
        copy = type(value)()
        copy.CopyFrom(value)
        copies.append(copy)
    del field[:]  # type: ignore[attr-defined]
    field.extend(copies)  # type: ignore[attr-defined]
