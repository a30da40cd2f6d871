"""Makes training.safetensors: the losses of whole models in training, from seeds only.

A model is a class below and a line in MODELS; README.md describes the contents of a case.
"""

import torch
from torch import nn
import torch.nn.functional as F

import make_init
from common import Golden

golden = Golden()

SIZES = {"vocab": 30, "dim": 6, "hidden": 10, "classes": 4, "batch": 32, "length": 5}
STEPS = 200


class CellClassifier(make_init.TextClassifier):
    def forward(self, tokens):
        x = self.embedding(tokens)
        h = torch.zeros(tokens.shape[0], self.cell.hidden_size, dtype=x.dtype)
        for t in range(tokens.shape[1]):
            h = self.cell(x[:, t], h)
        return self.head(h)


class BidirectionalClassifier(nn.Module):
    def __init__(self, vocab, dim, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens):
        output, _ = self.lstm(self.embedding(tokens))
        return self.head(output.mean(1))


MODELS = {
    "rnn_cell.sgd": (CellClassifier, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "bidirectional_lstm.adam": (BidirectionalClassifier, torch.optim.Adam, {"lr": 0.005}),
}


def size_of(model):
    return sum(value.detach().double().square().sum() for value in model.parameters())


def losses_of(model, name, start_noise=0.0):
    """Trains in place, optionally after a small relative change of the weights."""
    _, optimizer_type, options = MODELS[name]
    generator = torch.Generator().manual_seed(1)
    for value in model.parameters():
        value.data *= 1 + start_noise * torch.randn(value.shape, generator=generator).to(value.dtype)
    optimizer = optimizer_type(model.parameters(), **options)
    losses = []
    for _ in range(STEPS):
        tokens = torch.randint(1, SIZES["vocab"], (SIZES["batch"], SIZES["length"]))
        labels = tokens[:, -1] % SIZES["classes"]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


def train(name, dtype, seed=3):
    make, _, options = MODELS[name]
    case = f"{name}_{'f64' if dtype == torch.float64 else 'f32'}"
    golden.arguments(case, {"seed": seed, "dtype": dtype, "steps": STEPS, **SIZES, **options})

    def start():
        torch.manual_seed(seed)
        return make(*(SIZES[size] for size in ("vocab", "dim", "hidden", "classes"))).to(dtype)

    model = start()
    golden.put(f"{case}.first", size_of(model))
    losses = losses_of(model, name)
    golden.put(f"{case}.losses", losses)
    golden.put(f"{case}.last", size_of(model))
    # Training can amplify one rounding error a thousand times (Adam with lr 0.01 on batches of 8 does). A float32 test
    # is meaningful only if PyTorch's own float64 losses hardly change when one rounding error is added at the start.
    if dtype == torch.float64:
        moved = (losses_of(start(), name, start_noise=2.0**-24) - losses).abs().max().item()
        assert moved < 1e-6, f"{case} is too sensitive to be compared: {moved}"


if __name__ == "__main__":
    for name in MODELS:
        for dtype in (torch.float64, torch.float32):
            train(name, dtype)
    golden.write("training.safetensors")
