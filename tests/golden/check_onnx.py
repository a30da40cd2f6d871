"""Checks ONNX files of ours and computes what they describe.

    /usr/bin/python3 check_onnx.py FOLDER

For every <name>.onnx in FOLDER: onnx.checker with full shape inference; then the graph is evaluated on the
inputs in <name>.npz and compared with out.<output> there. Debian's onnx has no evaluator, so the operators are
computed below, in NumPy, by the text of ONNX's specification: written for this test, not an independent runtime.
Where OpenCV is installed and can read a file, its dnn module (which is independent) computes the graph too.
"""

import glob
import math
import sys

import numpy as np
import onnx
from onnx import numpy_helper


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def types(number):
    return onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[number]


OPERATORS = {
    "Gemm": lambda a, x, w, b=0: x @ (w.T if a.get("transB") else w) + b,
    "MatMul": lambda a, x, y: x @ y,
    "Add": lambda a, x, y: x + y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y,
    "Gather": lambda a, x, i: np.take(x, i, a.get("axis", 0)),
    "Identity": lambda a, x: x,
    "Tanh": lambda a, x: np.tanh(x),
    "Sigmoid": lambda a, x: 1 / (1 + np.exp(-x)),
    "Relu": lambda a, x: np.maximum(x, 0),
    "LeakyRelu": lambda a, x: np.where(x < 0, a["alpha"] * x, x),
    "Elu": lambda a, x: np.where(x < 0, a["alpha"] * (np.exp(x) - 1), x),
    "Softplus": lambda a, x: np.log(np.exp(x) + 1),
    "Erf": lambda a, x: np.vectorize(math.erf)(x).astype(x.dtype),
    "Softmax": lambda a, x: softmax(x, a["axis"]),
    "LogSoftmax": lambda a, x: np.log(softmax(x, a["axis"])),
    "Flatten": lambda a, x: x.reshape(math.prod(x.shape[:a["axis"]]), -1),
    "Equal": lambda a, x, y: x == y,
    "Not": lambda a, x: ~x,
    "Where": lambda a, c, x, y: np.where(c, x, y),
    "Cast": lambda a, x: x.astype(types(a["to"])),
    "Clip": lambda a, x, low: np.maximum(x, low),
    "Unsqueeze": lambda a, x, axes: np.expand_dims(x, tuple(axes)),
    "ReduceSum": lambda a, x, axes: x.sum(tuple(axes), keepdims=bool(a.get("keepdims", 1))),
    "ReduceMax": lambda a, x: x.max(tuple(a["axes"]), keepdims=bool(a.get("keepdims", 1))),
}


def evaluate(model, inputs):
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    values.update({value.name: inputs[value.name] for value in model.graph.input})
    with np.errstate(all="ignore"):
        for node in model.graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = OPERATORS[node.op_type](attributes, *[values[name] for name in node.input])
    return {value.name: values[value.name] for value in model.graph.output}


def compare(name, who, got, want):
    if got.dtype != want.dtype or got.shape != want.shape:
        sys.exit(f"{name}: {who} computes {got.dtype} {got.shape}, ours {want.dtype} {want.shape}")
    if not np.allclose(got, want, rtol=1e-5, atol=1e-6, equal_nan=True):
        sys.exit(f"{name}: {who} computes\n{got}\nours\n{want}")


def by_opencv(path, model, inputs):
    """What OpenCV computes, or why it does not: it takes float32 inputs of known sizes only."""
    if any(value.dtype != np.float32 for value in inputs.values()):
        return "takes float32 only"
    if any(value.ndim == 3 for value in inputs.values()):
        return "takes three dimensions for a picture with channels"
    if any(size.dim_param for value in model.graph.input for size in value.type.tensor_type.shape.dim):
        return "needs all sizes"
    try:
        import cv2
    except ImportError:
        return "not installed"
    try:
        net = cv2.dnn.readNetFromONNX(path)
        for name, value in inputs.items():
            net.setInput(value, name)
        return net.forward()
    except cv2.error as error:
        return "refuses: " + str(error).splitlines()[0][:100]


def main(folder):
    for path in sorted(glob.glob(f"{folder}/*.onnx")):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        arrays = dict(np.load(path.removesuffix(".onnx") + ".npz"))
        inputs = {value.name: arrays[value.name] for value in model.graph.input}
        name = path.split("/")[-1]
        for output, value in evaluate(model, inputs).items():
            compare(name, "the evaluator", value, arrays["out." + output])
        answer = by_opencv(path, model, inputs)
        if not isinstance(answer, str):
            compare(name, "OpenCV", answer, arrays["out." + model.graph.output[0].name])
            answer = "agrees"
        print(f"{name}: {len(model.graph.node)} nodes, opset {model.opset_import[0].version}, "
              f"IR {model.ir_version}; OpenCV {answer}")


if __name__ == "__main__":
    main(*sys.argv[1:])
