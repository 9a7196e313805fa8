"""Two ONNX files of one model, written in another order and with other names, become the same bytes."""

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper, numpy_helper

from common.network.onnx_order import settle_order

WEIGHTS = {"scale": np.float32([2, 3]), "shift": np.float32([1, -1]), "unused": np.float32([7])}


def write(path, names, order, *, constants=tuple(WEIGHTS), branch=False):
    """Write (x * scale + shift) * (x + shift), with a node that nothing needs."""
    a, b, c = names
    steps = [
        helper.make_node("Mul", ["x", "scale"], [a], name=names[0] * 2),
        helper.make_node("Add", [a, "shift"], [b]),
        helper.make_node("Add", ["x", "shift"], [c]),
        helper.make_node("Mul", [b, c], ["y"]),
        helper.make_node("Neg", ["x"], ["nothing"]),
    ]
    if branch:
        then = helper.make_graph([helper.make_node("Neg", [b], ["z"])], "then", [], [_value("z", "n")])
        steps.append(helper.make_node("If", ["yes"], ["z"], then_branch=then, else_branch=then))
    tensors = [numpy_helper.from_array(WEIGHTS[name], name) for name in constants]
    graph = helper.make_graph([steps[i] for i in order], "g", [_value("x", names[1])], [_value("y", names[2])], tensors)
    graph.doc_string = names[0]
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
    return path


def _value(name, rows):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, 2])


def test_order_and_names_do_not_matter(tmp_path):
    one = write(tmp_path / "one.onnx", "abc", [0, 1, 2, 3, 4])
    other = write(tmp_path / "other.onnx", "pqr", [4, 2, 0, 1, 3], constants=("unused", "shift", "scale"))
    assert one.read_bytes() != other.read_bytes()
    settle_order(one)
    settle_order(other)
    assert one.read_bytes() == other.read_bytes()
    onnx.checker.check_model(onnx.load(one), full_check=True)
    assert [node.op_type for node in onnx.load(one).graph.node] == ["Mul", "Add", "Add", "Mul"]


def test_the_model_computes_the_same(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path, x = write(tmp_path / "a.onnx", "abc", [0, 1, 2, 3, 4]), np.float32([[1, 2], [3, 4], [5, 6]])
    settle_order(path)
    (y,) = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_array_equal(y, (x * WEIGHTS["scale"] + WEIGHTS["shift"]) * (x + WEIGHTS["shift"]))


def test_other_weights_are_other_bytes(tmp_path, monkeypatch):
    one = write(tmp_path / "one.onnx", "abc", [0, 1, 2, 3, 4])
    monkeypatch.setitem(WEIGHTS, "scale", np.float32([2, 4]))
    other = write(tmp_path / "other.onnx", "abc", [0, 1, 2, 3, 4])
    settle_order(one)
    settle_order(other)
    assert one.read_bytes() != other.read_bytes()


def test_branches_are_left_alone(tmp_path):
    path = write(tmp_path / "a.onnx", "abc", [0, 1, 2, 3, 5], branch=True)
    before = path.read_bytes()
    settle_order(path)
    assert path.read_bytes() == before
