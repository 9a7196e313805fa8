"""A hand-made ONNX file in the form of lung/export.py's: dark pixels are lung."""

from dataclasses import replace

import onnx
from onnx import TensorProto, helper

from lung.config import SMALL

CONFIG = replace(SMALL, image_size=64, channels=(16, 16), bfloat16=False, views="flip", largest=2)


def write_onnx(folder):
    """Write lung.onnx and lung.json, and return the path of the former."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [None, None, None, 3])
    probs = helper.make_tensor_value_info("probs", TensorProto.FLOAT, [None, None, None, 1])
    half = helper.make_tensor("half", TensorProto.FLOAT, [1], [120.0])
    steps = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["grey"], axes=[3], keepdims=1),
        helper.make_node("Sub", ["half", "grey"], ["dark"]),
        helper.make_node("Sigmoid", ["dark"], ["probs"]),
    ]
    graph = helper.make_graph(steps, "dark", [images], [probs], [half])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lung.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    CONFIG.save(path.with_suffix(".json"))
    return path
