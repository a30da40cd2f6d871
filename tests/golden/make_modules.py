"""Makes modules.safetensors: outputs and gradients of layers, and the training of a classifier."""

import torch
from torch import nn
import torch.nn.functional as F

import make_init
from common import Golden, away, draw, exact, uniform

golden = Golden()


def layer(case, module, run, inputs, **arguments):
    """param.*, in*, out0, g0, grad* (inputs) and grad.* (parameters), in float64 and float32."""
    inputs = draw(case, inputs)
    golden.arguments(case, arguments, inputs)
    for i, value in enumerate(inputs):
        golden.put(f"{case}.in{i}", value)
    for name, value in module.named_parameters():
        value.data = exact(uniform(*value.shape, low=-1.0, high=1.0)())
        golden.put(f"{case}.param.{name}", value)
    start = {name: value.detach().clone() for name, value in module.named_parameters()}
    weight = None
    for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
        for name, value in module.named_parameters():
            value.data = start[name].to(dtype)
            value.grad = None
        leaves = [value.detach().to(dtype).requires_grad_() if value.is_floating_point() else value
                  for value in inputs]
        output = run(module, *leaves)
        golden.put(f"{prefix}.out0", output)
        if weight is None:
            weight = exact(torch.randn_like(output))
            golden.put(f"{case}.g0", weight)
        output.backward(weight.to(dtype))
        for i, leaf in enumerate(leaves):
            if leaf.is_floating_point():
                golden.put(f"{prefix}.grad{i}", leaf.grad)
        for name, value in module.named_parameters():
            golden.put(f"{prefix}.grad.{name}", value.grad)


def embeddings():
    def run(module, ids):
        return module(ids)

    ids = torch.tensor([[1, 4, 1, 0], [4, 4, 2, 6]])
    for name, options in [("plain", {}), ("padding_first", {"padding_idx": 0}),
                          ("padding_repeated", {"padding_idx": 4}), ("padding_negative", {"padding_idx": -1})]:
        layer(f"embedding.{name}", nn.Embedding(7, 3, **options), run, [ids], **options)
    layer("embedding.one_id", nn.Embedding(7, 5), run, [torch.tensor(3)])
    layer("embedding.no_ids", nn.Embedding(7, 5), run, [torch.zeros(0, 2, dtype=torch.int64)])
    layer("embedding.wide", nn.Embedding(3, 33), run, [torch.tensor([2, 2, 0, 2])])


def linears():
    def run(module, x):
        return module(x)

    for name, size_in, size_out, bias, shape in [
            ("plain", 5, 3, True, (4, 5)), ("no_bias", 5, 3, False, (4, 5)), ("vector", 5, 3, True, (5,)),
            ("batches", 5, 3, True, (2, 3, 5)), ("odd", 17, 31, True, (7, 17)), ("one", 1, 1, True, (3, 1)),
            ("batch_1", 5, 3, True, (1, 5)), ("no_rows", 5, 3, True, (0, 5))]:
        layer(f"linear.{name}", nn.Linear(size_in, size_out, bias), run, [uniform(*shape)], bias=bias)


def cells():
    def run(module, x, h):
        states = []
        for t in range(x.shape[0]):
            h = module(x[t], h)
            states.append(h)
        return torch.stack(states)

    for name, nonlinearity, bias, steps, batch, size, hidden in [
            ("tanh", "tanh", True, 3, 2, 3, 5), ("relu", "relu", True, 3, 2, 3, 5),
            ("no_bias", "tanh", False, 3, 2, 3, 5),
            ("relu_no_bias", "relu", False, 3, 2, 3, 5), ("odd", "tanh", True, 3, 5, 17, 9),
            ("one", "tanh", True, 3, 1, 1, 1)]:
        layer(f"rnn_cell.{name}", nn.RNNCell(size, hidden, bias, nonlinearity), run,
              [uniform(steps, batch, size), uniform(batch, hidden, low=-1.0, high=1.0)],
              bias=bias, nonlinearity=nonlinearity)
    layer("rnn_cell.unbatched", nn.RNNCell(3, 5), run, [uniform(3, 3), uniform(5)], bias=True, nonlinearity="tanh")


def activations():
    for name, module in [("relu", nn.ReLU()), ("tanh", nn.Tanh()), ("sigmoid", nn.Sigmoid()), ("gelu", nn.GELU())]:
        layer(f"sequential.{name}", nn.Sequential(nn.Linear(3, 5), module, nn.Linear(5, 2)),
              lambda m, x: m(x), [away(4, 3)])


def classify(model, tokens):
    x = model.embedding(tokens)
    h = torch.zeros(tokens.shape[0], model.cell.hidden_size, dtype=x.dtype)
    for t in range(tokens.shape[1]):
        h = model.cell(x[:, t], h)
    return model.head(h)


def train(case, dtype, make_optimizer, steps=20, **arguments):
    """Draws the model in float32 after manual_seed(0) and converts it to dtype; README.md describes the loop."""
    batch, length = 4, 6
    torch.manual_seed(1000)
    tokens = torch.randint(1, 50, (steps, batch, length))
    tokens[:, 1, 4:] = 0
    tokens[:, 3, 2:] = 0
    labels = torch.randint(0, 4, (steps, batch))
    golden.arguments(case, {"seed": 0, "max_norm": 1.0, "dtype": dtype, **arguments})
    golden.put(f"{case}.in0", tokens)
    golden.put(f"{case}.in1", labels)
    torch.manual_seed(0)
    model = make_init.TextClassifier(50, 8, 12, 4).to(dtype)
    optimizer = make_optimizer(model.parameters())
    for name, value in model.state_dict().items():
        golden.put(f"{case}.start.{name}", value)
    losses, norms = [], []
    for t in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(classify(model, tokens[t]), labels[t])
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    golden.put(f"{case}.losses", torch.tensor(losses, dtype=torch.float64))
    golden.put(f"{case}.norms", torch.tensor(norms, dtype=torch.float64))
    for name, value in model.state_dict().items():
        golden.put(f"{case}.final.{name}", value)
    golden.put(f"{case}.logits", classify(model, tokens[0]))


if __name__ == "__main__":
    for family in (embeddings, linears, cells, activations):
        family()
    for dtype in (torch.float64, torch.float32):
        suffix = "f64" if dtype == torch.float64 else "f32"
        train(f"text_classifier.adam_{suffix}", dtype, lambda p: torch.optim.Adam(p, lr=1e-2), lr=1e-2)
        train(f"text_classifier.sgd_{suffix}", dtype, lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9),
              lr=0.5, momentum=0.9)
    golden.write("modules.safetensors")
