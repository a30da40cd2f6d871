"""Collects the cases of one golden file under the names that README.md defines.

Read README.md first; make_random.py is the shortest script that uses this.
"""

import os
import sys
import zlib

import numpy as np
import torch

import safetensors_io

torch.set_num_threads(1)

HERE = os.path.dirname(os.path.abspath(__file__))

# Options that are words in Python are stored as these numbers.
WORDS = {
    "reduction": ["none", "mean", "sum"],
    "approximate": ["none", "tanh"],
    "reduce": ["sum", "prod", "mean", "amax", "amin"],
    "mode": ["fan_in", "fan_out", "sum", "mean", "max", "min"],
    "threshold_mode": ["rel", "abs"],
    "anneal_strategy": ["cos", "linear"],
    "activation": ["relu", "gelu"],
    "padding_mode": ["zeros", "reflect", "replicate", "circular"],
    "nonlinearity": ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"],
    "dtype": ["float32", "float64", "int64", "bool"],
}


def argument_array(name, value):
    if isinstance(value, str):
        return np.array(WORDS[name].index(value), np.int64)
    if isinstance(value, torch.dtype):
        return argument_array(name, str(value).removeprefix("torch."))
    if isinstance(value, bool):
        return np.array(value, np.bool_)
    if isinstance(value, int):
        return np.array(value, np.int64)
    if isinstance(value, float):
        return np.array(value, np.float64)
    whole = all(isinstance(item, (int, list)) for item in value)
    return np.array(value, np.int64 if whole else np.float64)


def seed_for(name):
    """The seed of a case depends on its name only, so that adding other cases does not change its inputs."""
    torch.manual_seed(zlib.crc32(name.encode()))


def exact(value):
    """The nearest float64 that is exact in float32, so that both precisions start from equal values."""
    return value.float().double()


def uniform(*shape, low=-2.0, high=2.0):
    """A function that makes an input; it is called after the seed of the case is set."""
    return lambda: exact(torch.rand(shape, dtype=torch.float64) * (high - low) + low)


def away(*shape, low=0.3, high=2.0):
    """Both signs, not close to zero."""
    return lambda: (uniform(*shape, low=low, high=high)()
                    * (torch.randint(0, 2, shape, dtype=torch.float64) * 2 - 1))


def distinct(*shape):
    """Distinct values, at least 0.2 apart: for max, sort and other operations that have ties."""
    count = torch.Size(shape).numel()
    return lambda: exact((torch.randperm(count).double() - count / 2 + 0.25) * 0.2).reshape(shape)


def draw(case, inputs):
    seed_for(case)
    return [value() if callable(value) else value for value in inputs]


class Golden:
    """The tensors of one file: <op>.<variant>.<role>."""

    def __init__(self):
        self.tensors = {}
        self.metadata = {}

    def put(self, name, value):
        if name in self.tensors:
            raise KeyError(f"{name} is already taken")
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        self.tensors[name] = np.array(value, order="C")

    def arguments(self, case, arguments, inputs=()):
        """Stores arg.<name> for each option, and the call as readable text."""
        for name, value in arguments.items():
            self.put(f"{case}.arg.{name}", argument_array(name, value))
        call = [f"in{i}" for i in range(len(inputs))]
        text = [f"{name}={value}" for name, value in arguments.items()]
        self.metadata[case] = f"{case.split('.')[0]}({', '.join(call + text)})"

    def outputs(self, prefix, result):
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        for i, output in enumerate(outputs):
            self.put(f"{prefix}.out{i}", output)
        return outputs

    def values(self, case, function, inputs, **arguments):
        """Stores inputs and outputs in their own dtype, without gradients."""
        inputs = draw(case, inputs)
        self.arguments(case, arguments, inputs)
        for i, value in enumerate(inputs):
            self.put(f"{case}.in{i}", value)
        return self.outputs(case, function(*inputs))

    def error(self, case, function, inputs, **arguments):
        """A call that PyTorch rejects: stores the inputs, and its message in the metadata."""
        inputs = draw(case, inputs)
        self.arguments(case, arguments, inputs)
        for i, value in enumerate(inputs):
            self.put(f"{case}.in{i}", value)
        try:
            function(*inputs)
        except (RuntimeError, IndexError, ValueError) as error:
            self.metadata[f"{case}.error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            return
        raise AssertionError(f"{case} was meant to fail")

    def gradients(self, case, function, inputs, constant=(), ones=False, backward=True, **arguments):
        """Stores float64 values and gradients of sum(out * g), then the same in float32.

        Inputs listed in `constant`, and those that are not floating point, have no gradient.
        With `ones`, for cases of special values, g is all ones.
        """
        inputs = draw(case, inputs)
        self.arguments(case, arguments, inputs)
        for i, value in enumerate(inputs):
            self.put(f"{case}.in{i}", value)
        wanted = [i for i, value in enumerate(inputs)
                  if backward and value.is_floating_point() and i not in constant]
        weights = None
        for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
            leaves = [value.detach().to(dtype).requires_grad_(i in wanted)
                      if value.is_floating_point() else value for i, value in enumerate(inputs)]
            outputs = self.outputs(prefix, function(*leaves))
            if not wanted:
                continue
            if weights is None:
                weights = [None if not output.is_floating_point() else torch.ones_like(output)
                           if ones else exact(torch.randn_like(output)) for output in outputs]
                for i, weight in enumerate(weights):
                    if weight is not None:
                        self.put(f"{case}.g{i}", weight)
            pairs = [(output, weight.to(dtype)) for output, weight in zip(outputs, weights)
                     if weight is not None]
            torch.autograd.backward([output for output, _ in pairs],
                                    [weight for _, weight in pairs])
            for i in wanted:
                self.put(f"{prefix}.grad{i}", leaves[i].grad)

    def write(self, file_name):
        path = os.path.join(HERE, file_name)
        safetensors_io.write(path, self.tensors, self.metadata)
        tensors, metadata = safetensors_io.read(path)
        assert metadata == self.metadata and tensors.keys() == self.tensors.keys()
        cases = {".".join(name.split(".")[:2]) for name in tensors}
        print(f"{file_name}: {len(cases)} cases, {len(tensors)} tensors, "
              f"{os.path.getsize(path)} bytes", file=sys.stderr)
