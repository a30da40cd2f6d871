"""Checks this library's ONNX files and computes their results.

    /usr/bin/python3 check_onnx.py FOLDER
    /usr/bin/python3 check_onnx.py operators

For every <name>.onnx in FOLDER: onnx.checker with full shape inference; then the graph is evaluated on the
inputs in <name>.npz and compared with out.<output> there, or, where it has softmax.<output>, the softmax over the
last dimension is. Debian's onnx has no evaluator, so the operators are computed below, in NumPy, by the text of
ONNX's specification: written for this test, not an independent runtime. The second form compares them with the
examples that come with ONNX for each operator.

These independent implementations are used if they are installed; what they find for each file is printed:
- OpenCV's dnn module (python3-opencv). It supports only float32 inputs of known sizes, and no
  operators for ids, lengths or masks (Gather, Equal, Where, Range). Version 4.6 does not support either: RNN; GRU,
  unless it has a bias and constant initial states and only its output is used; Squeeze with axes as an input, as in
  opset 13; layer norms, and other sums and products with some kinds of broadcasting. by_opencv() lists where its
  results differ from the specification.
- onnxruntime (the package onnxruntime-node of Node.js, found through NODE_PATH). It supports all our files except
  recurrent networks in float64.
"""

import glob
import json
import math
import os
import subprocess
import sys
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Operators ---------------------------------------------------------------------------------------------------------


class Unsupported(Exception):
    """For features that our files do not use."""


def need(condition, what):
    if not condition:
        raise Unsupported(what)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def types(number):
    return onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[number]


def reduce(function):
    def computed(a, x, axes=None):
        axes = a.get("axes") if axes is None else axes.tolist()
        if not axes and a.get("noop_with_empty_axes"):
            return x
        return function(x, axis=tuple(axes) if axes else None, keepdims=bool(a.get("keepdims", 1)))
    return computed


def gemm(a, x, w, b=0):
    x, w = (x.T if a.get("transA") else x), (w.T if a.get("transB") else w)
    return (a.get("alpha", 1.0) * (x @ w) + a.get("beta", 1.0) * b).astype(x.dtype)


def reshape(a, x, sizes):
    if not a.get("allowzero"):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def slices(a, x, starts, ends, axes=None, steps=None):
    index = [slice(None)] * x.ndim
    axes = range(len(starts)) if axes is None else axes
    for i, axis in enumerate(axes):
        step = 1 if steps is None else steps[i]
        end = ends[i] if step > 0 or ends[i] >= -x.shape[axis] else None
        index[axis] = slice(starts[i], end, step)
    return x[tuple(index)]


def split(a, x, sizes=None):
    need(sizes is not None or x.shape[a.get("axis", 0)] % 2 == 0, "parts of other numbers than two")
    return np.split(x, 2 if sizes is None else np.cumsum(sizes)[:-1], a.get("axis", 0))


def gather_nd(a, x, indices):
    batch = a.get("batch_dims", 0)
    if batch == 0:
        return np.array([x[tuple(i)] for i in indices.reshape(-1, indices.shape[-1])]).reshape(
            indices.shape[:-1] + x.shape[indices.shape[-1]:])
    return np.stack([gather_nd({"batch_dims": batch - 1}, *each) for each in zip(x, indices)])


def flatten(a, x):
    axis = a.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), -1)


def windows(a, x, kernel, padding):
    """x (batch, channels, sizes...) -> (batch, channels, windows..., kernel...)."""
    need(a.get("auto_pad", b"NOTSET") == b"NOTSET" and not a.get("ceil_mode") and not a.get("storage_order"),
         "padding and windows by themselves")
    dims = len(kernel)
    pads = a.get("pads", [0] * 2 * dims)
    strides, dilations = a.get("strides", [1] * dims), a.get("dilations", [1] * dims)
    x = np.pad(x, [(0, 0)] * 2 + list(zip(pads[:dims], pads[dims:])), constant_values=padding)
    sizes = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    view = np.lib.stride_tricks.sliding_window_view(x, sizes, axis=tuple(range(2, 2 + dims)))
    each = tuple(slice(None, None, s) for s in strides) + tuple(slice(None, None, d) for d in dilations)
    return view[(slice(None), slice(None)) + each]


def conv(a, x, w, b=None):
    dims = list(range(-(w.ndim - 2), 0))
    groups = a.get("group", 1)
    parts = zip(np.split(windows(a, x, w.shape[2:], 0), groups, 1), np.split(w, groups))
    y = [np.moveaxis(np.tensordot(seen, own, ([1] + dims, [1] + dims)), -1, 1) for seen, own in parts]
    y = np.concatenate(y, 1)
    return y if b is None else y + b.reshape([-1] + [1] * len(dims))


def max_pool(a, x):
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    dims = tuple(range(-len(a["kernel_shape"]), 0))
    return windows(a, x, a["kernel_shape"], lowest).max(dims)


def average_pool(a, x):
    dims = tuple(range(-len(a["kernel_shape"]), 0))
    counted = np.ones_like(x)
    count = windows(a, counted, a["kernel_shape"], 1 if a.get("count_include_pad") else 0).sum(dims)
    return windows(a, x, a["kernel_shape"], 0).sum(dims) / count


def batch_norm(a, x, scale, b, mean, variance):
    need(not a.get("training_mode"), "training")
    along = [-1] + [1] * (x.ndim - 2)
    scale, b, mean, variance = (each.reshape(along) for each in (scale, b, mean, variance))
    return (scale * (x - mean) / np.sqrt(variance + a.get("epsilon", 1e-5)) + b).astype(x.dtype)


def rnn_step(a, d, x, w, r, wb, rb, h, c):
    functions = {b"Tanh": np.tanh, b"Relu": lambda v: np.maximum(v, 0)}
    return functions[a["activations"][d] if "activations" in a else b"Tanh"](w @ x + r @ h + wb + rb), c


def lstm_step(a, d, x, w, r, wb, rb, h, c):
    need("activations" not in a and "input_forget" not in a, "another LSTM")
    i, o, f, g = np.split(w @ x + r @ h + wb + rb, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(a, d, x, w, r, wb, rb, h, c):
    need("activations" not in a, "another GRU")
    wz, wr, wh = np.split(w @ x + wb, 3)
    size = len(h)
    z = sigmoid(wz + r[:size] @ h + rb[:size])
    reset = sigmoid(wr + r[size:2 * size] @ h + rb[size:2 * size])
    if a.get("linear_before_reset"):
        n = np.tanh(wh + reset * (r[2 * size:] @ h + rb[2 * size:]))
    else:
        n = np.tanh(wh + r[2 * size:] @ (reset * h) + rb[2 * size:])
    return (1 - z) * n + z * h, c


def recurrent(step):
    def computed(a, x, w, r, b=None, lengths=None, h=None, c=None, p=None):
        need(not a.get("layout") and p is None and "clip" not in a, "layout, peepholes, clip")
        steps, batch, _ = x.shape
        directions, size = r.shape[0], r.shape[2]
        assert directions == (2 if a.get("direction") == b"bidirectional" else 1)
        b = np.zeros((directions, 2 * r.shape[1]), x.dtype) if b is None else b
        y = np.zeros((steps, directions, batch, size), x.dtype)
        last = [np.zeros((directions, batch, size), x.dtype) if s is None else s.copy() for s in (h, c)]
        for d in range(directions):
            backwards = d == 1 or a.get("direction") == b"reverse"
            for i in range(batch):
                order = range(steps if lengths is None else lengths[i])
                for t in reversed(order) if backwards else order:
                    last[0][d, i], last[1][d, i] = step(a, d, x[t, i], w[d], r[d], *np.split(b[d], 2),
                                                        last[0][d, i], last[1][d, i])
                    y[t, d, i] = last[0][d, i]
        return [y, *last]
    return computed


OPERATORS = {
    "Gemm": gemm,
    "MatMul": lambda a, x, y: x @ y,
    "Add": lambda a, x, y: x + y,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y if x.dtype.kind == "f" else x // y,
    "Sqrt": lambda a, x: np.sqrt(x),
    "Gather": lambda a, x, i: np.take(x, i, a.get("axis", 0)),
    "GatherND": gather_nd,
    "Identity": lambda a, x: x,
    "Tanh": lambda a, x: np.tanh(x),
    "Sigmoid": lambda a, x: sigmoid(x),
    "Relu": lambda a, x: np.maximum(x, 0),
    "LeakyRelu": lambda a, x: np.where(x < 0, a.get("alpha", 0.01) * x, x),
    "Elu": lambda a, x: np.where(x < 0, a.get("alpha", 1.0) * (np.exp(x) - 1), x).astype(x.dtype),
    "Softplus": lambda a, x: np.log(np.exp(x) + 1),
    "Softsign": lambda a, x: x / (1 + np.abs(x)),
    "HardSigmoid": lambda a, x: np.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1).astype(x.dtype),
    "Selu": lambda a, x: (a.get("gamma", 1.0507009873554805) * np.where(
        x > 0, x, a.get("alpha", 1.6732632423543772) * (np.exp(x) - 1))).astype(x.dtype),
    "Celu": lambda a, x: (np.maximum(0, x) + np.minimum(
        0, a.get("alpha", 1.0) * (np.exp(x / a.get("alpha", 1.0)) - 1))).astype(x.dtype),
    "ThresholdedRelu": lambda a, x: np.where(x > a.get("alpha", 1.0), x, 0).astype(x.dtype),
    "Shrink": lambda a, x: np.where(x < -a.get("lambd", 0.5), x + a.get("bias", 0.0), np.where(
        x > a.get("lambd", 0.5), x - a.get("bias", 0.0), 0)).astype(x.dtype),
    "PRelu": lambda a, x, slope: np.where(x < 0, slope * x, x),
    "Neg": lambda a, x: -x,
    "Split": split,
    "Erf": lambda a, x: np.vectorize(math.erf)(x).astype(x.dtype),
    "Softmax": lambda a, x: softmax(x, a.get("axis", -1)),
    "LogSoftmax": lambda a, x: np.log(softmax(x, a.get("axis", -1))),
    "Flatten": flatten,
    "Equal": lambda a, x, y: x == y,
    "Less": lambda a, x, y: x < y,
    "Not": lambda a, x: ~x,
    "Or": lambda a, x, y: x | y,
    "Where": lambda a, c, x, y: np.where(c, x, y),
    "Cast": lambda a, x: x.astype(types(a["to"])),
    "Clip": lambda a, x, low=None, high=None: np.clip(x, low, high) if low is not None or high is not None else x,
    "Shape": lambda a, x: np.array(x.shape[a.get("start", 0):a.get("end")], np.int64),
    "Range": lambda a, start, end, step: np.arange(start, end, step, dtype=start.dtype),
    "Reshape": reshape,
    "Transpose": lambda a, x: x.transpose(a.get("perm")),
    "Unsqueeze": lambda a, x, axes: np.expand_dims(x, tuple(axes)),
    "Squeeze": lambda a, x, axes=None: x.squeeze(None if axes is None else tuple(axes)),
    "Concat": lambda a, *x: np.concatenate(x, a["axis"]),
    "Slice": slices,
    "ReduceSum": reduce(np.sum),
    "ReduceMean": reduce(np.mean),
    "ReduceMax": reduce(np.max),
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "RNN": recurrent(rnn_step),
    "LSTM": recurrent(lstm_step),
    "GRU": recurrent(gru_step),
}


def evaluate(model, inputs):
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    values.update({value.name: inputs[value.name] for value in model.graph.input})
    values[""] = None
    with np.errstate(all="ignore"):
        for node in model.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            result = OPERATORS[node.op_type](attributes, *[values[name] for name in node.input])
            results = result if isinstance(result, list) else [result]
            need(len(node.output) <= len(results), "more results")
            values.update(zip(node.output, results))
            values[""] = None
    return {value.name: values[value.name] for value in model.graph.output}


def check_operators():
    """Runs our operators on the examples that come with ONNX."""
    for name, type in (("float", float), ("int", int), ("object", object), ("bool", bool)):
        if name not in np.__dict__:
            setattr(np, name, type)  # used by the examples of onnx 1.12, removed in NumPy 1.24
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases
    agreed, left_out = {}, []
    for case in collect_testcases(None):
        model = case.model
        op = model.graph.node[0].op_type
        if len(model.graph.node) != 1 or op not in OPERATORS:
            continue
        for given, wanted in case.data_sets:
            if not all(isinstance(each, (np.ndarray, np.generic)) and each.dtype.kind in "fib" for each in [*given, *wanted]):
                continue
            inputs = {value.name: each for value, each in zip(model.graph.input, given)}
            try:
                results = evaluate(model, inputs)
            except Unsupported as reason:
                left_out.append(f"{case.name} ({reason})")
                continue
            for got, want in zip(results.values(), wanted):
                compare(case.name, "the evaluator", np.asarray(got).astype(want.dtype), want)
            agreed[op] = agreed.get(op, 0) + 1
    for op in OPERATORS:
        if op not in agreed:
            sys.exit(f"{op}: ONNX has no example that our operator takes")
    print(f"{len(agreed)} operators agree with {sum(agreed.values())} examples; left out: {', '.join(left_out)}")


# Files -------------------------------------------------------------------------------------------------------------


def compare(name, who, got, want):
    if got.dtype != want.dtype or got.shape != want.shape:
        sys.exit(f"{name}: {who} computes {got.dtype} {got.shape}, ours {want.dtype} {want.shape}")
    if not np.allclose(got, want, rtol=1e-5, atol=2e-6, equal_nan=True):
        sys.exit(f"{name}: {who} computes\n{got}\nours\n{want}")


def compare_all(name, who, results, arrays):
    for output, value in results.items():
        if "softmax." + output in arrays:
            compare(name, who, softmax(value, -1), arrays["softmax." + output])
        else:
            compare(name, who, value, arrays["out." + output])


def with_flat_inputs(model):
    """Reshapes inputs to two dimensions, because OpenCV treats a 3-d array as an image with channels."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    front = []
    for value in model.graph.input:
        sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
        model.graph.initializer.append(numpy_helper.from_array(np.array(sizes), value.name + "_sizes"))
        front.append(helper.make_node("Reshape", [value.name + "_flat", value.name + "_sizes"], [value.name],
                                      name=value.name + "_front"))
        value.CopyFrom(helper.make_tensor_value_info(value.name + "_flat", onnx.TensorProto.FLOAT,
                                                     [sizes[0], math.prod(sizes[1:])]))
    nodes = front + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def by_opencv(path, model, inputs):
    """OpenCV's results, or the reason why there are none."""
    if any(value.dtype != np.float32 for value in inputs.values()):
        return "takes float32 only"
    if any(size.dim_param for value in model.graph.input for size in value.type.tensor_type.shape.dim):
        return "needs all sizes"
    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        pads = attributes.get("pads", [])
        if attributes.get("count_include_pad") and any(pads):
            return "counts padding only if it is told that PyTorch wrote the file"
        if pads[:len(pads) // 2] != pads[len(pads) // 2:]:
            return "pads a sequence behind as before"
        if node.op_type == "MaxPool" and max(attributes["dilations"]) > 1:
            return "has no dilated windows"
    try:
        import cv2
    except ImportError:
        return "not installed"
    cv2.setLogLevel(0)
    flat = path + ".flat"
    onnx.save(with_flat_inputs(model), flat)
    try:
        net = cv2.dnn.readNetFromONNX(flat)
        net.enableFusion(False)  # in 4.6, fusing a Conv with the Identity that names its output gives wrong results
        for name, value in inputs.items():
            net.setInput(value.reshape(len(value), -1), name + "_flat")
        names = [value.name for value in model.graph.output]
        return dict(zip(names, net.forward(["onnx_node!" + name for name in names])))
    except cv2.error as error:
        return "refuses: " + " ".join(str(error).split())[-160:]


def by_onnxruntime(folder, inputs_of):
    """onnxruntime's results for every file, or an empty dictionary."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run_onnx.js")
    try:
        if subprocess.run(["node", script], capture_output=True).returncode != 0:
            return {}
    except FileNotFoundError:
        return {}
    for path, inputs in inputs_of.items():
        with open(path + ".json", "w") as file:
            json.dump({name: {"type": str(value.dtype), "dims": value.shape, "data": value.ravel().tolist()}
                       for name, value in inputs.items()}, file)
    subprocess.run(["node", script, *inputs_of], check=True)
    results = {}
    for path in inputs_of:
        with open(path + ".answer.json") as file:
            answer = json.load(file)
        if "error" in answer:
            results[path] = answer["error"]
        else:
            results[path] = {name: np.array(value["data"], value["type"]).reshape(value["dims"])
                             for name, value in answer.items()}
    return results


def main(folder):
    if folder == "operators":
        return check_operators()
    paths = sorted(glob.glob(f"{folder}/*.onnx"))
    models = {path: onnx.load(path) for path in paths}
    arrays = {path: dict(np.load(path.removesuffix(".onnx") + ".npz")) for path in paths}
    inputs = {path: {value.name: arrays[path][value.name] for value in models[path].graph.input} for path in paths}
    for path, model in models.items():
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    runtime = by_onnxruntime(folder, inputs)
    for path, model in models.items():
        name = path.split("/")[-1]
        compare_all(name, "the evaluator", evaluate(model, inputs[path]), arrays[path])
        said = []
        for who, answer in (("OpenCV", by_opencv(path, model, inputs[path])),
                            ("onnxruntime", runtime.get(path, "not installed"))):
            if not isinstance(answer, str):
                compare_all(name, who, answer, arrays[path])
                answer = "agrees"
            said.append(f"{who} {answer}")
        print(f"{name}: {len(model.graph.node)} nodes, opset {model.opset_import[0].version}, "
              f"IR {model.ir_version}; {'; '.join(said)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
