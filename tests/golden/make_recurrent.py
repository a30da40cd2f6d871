"""Makes recurrent.safetensors: outputs, gradients and initial weights of recurrent layers and cells."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from common import Golden, draw, exact, uniform

golden = Golden()

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {"rnn_cell": nn.RNNCell, "lstm_cell": nn.LSTMCell, "gru_cell": nn.GRUCell}


def listed(result):
    """Output and states, or the states of a cell, as one flat list."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [tensor for each in result for tensor in listed(each)]


def compare(case, module, run, inputs, seed=None, **arguments):
    """param.*, in*, out*, g*, grad* (inputs) and grad.* (parameters), in float64 and float32."""
    inputs = draw(case, inputs)
    golden.arguments(case, arguments if seed is None else {"seed": seed, **arguments}, inputs)
    for i, value in enumerate(inputs):
        golden.put(f"{case}.in{i}", value)
    start = {}
    for name, value in module.named_parameters():
        start[name] = exact(uniform(*value.shape, low=-1.0, high=1.0)())
        golden.put(f"{case}.param.{name}", start[name])
    weights = None
    for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
        for name, value in module.named_parameters():
            value.data = start[name].to(dtype)
            value.grad = None
        leaves = [value.detach().to(dtype).requires_grad_() for value in inputs]
        if seed is not None:
            torch.manual_seed(seed)
        outputs = listed(run(module, *leaves))
        if weights is None:
            weights = [exact(torch.randn_like(output)) for output in outputs]
            for i, weight in enumerate(weights):
                golden.put(f"{case}.g{i}", weight)
        for i, output in enumerate(outputs):
            golden.put(f"{prefix}.out{i}", output)
        torch.autograd.backward(outputs, [weight.to(dtype) for weight in weights])
        for i, leaf in enumerate(leaves):
            golden.put(f"{prefix}.grad{i}", leaf.grad)
        for name, value in module.named_parameters():
            golden.put(f"{prefix}.grad.{name}", value.grad)


def layer(kind, variant, steps=4, batch=3, size=3, hidden=4, states=True, lengths=None, seed=None, **options):
    """batch None: without the batch dimension. lengths: x is packed, and the output padded again."""
    case = f"{kind}.{variant}"
    batch_first = options.get("batch_first", False)
    sequences = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    if batch is None:
        inputs, state = [uniform(steps, size)], (sequences, hidden)
    else:
        inputs = [uniform(*((batch, steps) if batch_first else (steps, batch)), size)]
        state = (sequences, batch, hidden)
    if states:
        inputs += [uniform(*state, low=-1.0, high=1.0)] * (2 if kind == "lstm" else 1)

    def run(module, x, h=None, c=None):
        if lengths is not None:
            x = pack_padded_sequence(x, torch.tensor(lengths), batch_first, enforce_sorted=False)
        output, end = module(x, h if c is None else (h, c))
        if lengths is not None:
            output, _ = pad_packed_sequence(output, batch_first, total_length=steps)
        return output, end

    module = LAYERS[kind](size, hidden, **options)
    stored = dict(options)
    if lengths is not None:
        stored["lengths"] = lengths
    compare(case, module, run, inputs, seed=seed, input_size=size, hidden_size=hidden, **stored)


def layers():
    for kind in LAYERS:
        layer(kind, "plain")
        layer(kind, "no_bias", bias=False)
        layer(kind, "no_states", states=False)
        layer(kind, "two_layers", num_layers=2)
        layer(kind, "bidirectional", bidirectional=True)
        layer(kind, "two_layers_bidirectional", num_layers=2, bidirectional=True, hidden=3)
        layer(kind, "two_layers_bidirectional_no_bias", num_layers=2, bidirectional=True, hidden=2, bias=False)
        layer(kind, "batch_first", batch_first=True)
        layer(kind, "batch_first_bidirectional", batch_first=True, bidirectional=True, states=False)
        layer(kind, "odd", steps=3, batch=5, size=7, hidden=9)
        layer(kind, "wide", steps=2, batch=2, size=1, hidden=17)
        layer(kind, "one_step", steps=1, bidirectional=True)
        layer(kind, "one_sequence", batch=1)
        layer(kind, "one_number", steps=2, batch=1, size=1, hidden=1)
        layer(kind, "empty_batch", batch=0, bidirectional=True)
        layer(kind, "empty_batch_no_states", batch=0, states=False, num_layers=2, batch_first=True)
        layer(kind, "unbatched", batch=None, bidirectional=True)
        layer(kind, "unbatched_batch_first", batch=None, batch_first=True, states=False)
        layer(kind, "lengths", steps=5, batch=4, lengths=[3, 5, 1, 2])
        layer(kind, "lengths_all_1", steps=3, batch=3, lengths=[1, 1, 1], bidirectional=True, num_layers=2)
        layer(kind, "lengths_batch_1", steps=4, batch=1, lengths=[2], bidirectional=True)
        layer(kind, "lengths_no_states", steps=5, batch=4, lengths=[3, 2, 1, 3], states=False)
        layer(kind, "lengths_bidirectional", steps=5, batch=4, lengths=[2, 5, 1, 5], bidirectional=True)
        layer(kind, "lengths_batch_first", steps=4, batch=3, lengths=[2, 1, 4], batch_first=True,
              bidirectional=True, num_layers=2, hidden=3)
        layer(kind, "dropout_batch_first", num_layers=3, dropout=0.4, seed=9, batch_first=True, steps=5)
        layer(kind, "dropout_unbatched", num_layers=2, dropout=0.4, seed=9, batch=None)
        layer(kind, "dropout_all", num_layers=2, dropout=1.0, seed=9)
        layer(kind, "dropout", num_layers=3, dropout=0.4, seed=7, hidden=3)
        layer(kind, "dropout_bidirectional", num_layers=2, dropout=0.4, bidirectional=True, batch_first=True,
              seed=8, hidden=3)
    for variant, options in [("relu", {}), ("relu_no_bias", {"bias": False}),
                             ("relu_two_layers_bidirectional", {"num_layers": 2, "bidirectional": True, "hidden": 3}),
                             ("relu_lengths", {"steps": 5, "batch": 4, "lengths": [3, 5, 1, 2]})]:
        layer("rnn", variant, nonlinearity="relu", **options)


def cell(kind, variant, batch=3, size=3, hidden=4, states=True, steps=2, **options):
    """The input is (steps, ...): the cell is called step by step; out0, ... are the final state."""
    lead = () if batch is None else (batch,)
    inputs = [uniform(steps, *lead, size)]
    if states:
        inputs += [uniform(*lead, hidden, low=-1.0, high=1.0)] * (2 if kind == "lstm_cell" else 1)

    def run(module, x, h=None, c=None):
        state = h if c is None else (h, c)
        for step in x:
            state = module(step, state)
        return state

    compare(f"{kind}.{variant}", CELLS[kind](size, hidden, **options), run, inputs, input_size=size,
            hidden_size=hidden, **options)


def cells():
    for kind in CELLS:
        cell(kind, "plain")
        cell(kind, "no_bias", bias=False)
        cell(kind, "no_states", states=False)
        cell(kind, "odd", batch=5, size=17, hidden=9)
        cell(kind, "one", batch=1, size=1, hidden=1)
        cell(kind, "empty_batch", batch=0)
        cell(kind, "unbatched", batch=None)
        cell(kind, "unbatched_no_states", batch=None, states=False)
    cell("rnn_cell", "relu", nonlinearity="relu")


def first_weights():
    def draw_from(case, seed, make, **arguments):
        golden.arguments(case, {"seed": seed, **arguments})
        torch.manual_seed(seed)
        for name, value in make().state_dict().items():
            golden.put(f"{case}.param.{name}", value)
        golden.put(f"{case}.next", torch.rand(1))

    for seed in (0, 42):
        for kind, make in LAYERS.items():
            for variant, size, hidden, options in [
                    ("plain", 3, 5, {}), ("odd", 17, 9, {}), ("no_bias", 3, 5, {"bias": False}),
                    ("deep", 3, 5, {"num_layers": 2, "bidirectional": True})]:
                draw_from(f"{kind}_first.{variant}_s{seed}", seed, lambda: make(size, hidden, **options),
                          input_size=size, hidden_size=hidden, **options)
        for kind, make in CELLS.items():
            for variant, options in [("plain", {}), ("no_bias", {"bias": False})]:
                draw_from(f"{kind}_first.{variant}_s{seed}", seed, lambda: make(3, 5, **options),
                          input_size=3, hidden_size=5, **options)


if __name__ == "__main__":
    layers()
    cells()
    first_weights()
    golden.write("recurrent.safetensors")
