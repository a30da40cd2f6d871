"""Makes training_conv.safetensors: the losses of a text CNN in training, from seeds only."""

import torch
from torch import nn
import torch.nn.functional as F

from common import Golden

golden = Golden()


class TextCnn(nn.Module):
    def __init__(self, vocab, dim, channels, classes):
        super().__init__()
        self.words = nn.Embedding(vocab, dim, padding_idx=0)
        self.conv = nn.Conv1d(dim, channels, 3, padding=1)
        self.head = nn.Linear(channels, classes)

    def forward(self, tokens):
        features = F.relu(self.conv(self.words(tokens).transpose(1, 2)))
        return self.head(features.max(2).values)


def train(case, dtype, steps=200):
    """Stores only seeds, sizes and losses; README.md describes the loop."""
    arguments = {"data_seed": 1000, "seed": 0, "steps": steps, "batch": 8, "length": 11, "vocab": 60, "dim": 8,
                 "channels": 12, "classes": 4, "lr": 1e-2, "weight_decay": 0.05, "dtype": dtype}
    golden.arguments(case, arguments)
    torch.manual_seed(1000)
    tokens = torch.randint(1, 60, (10, 8, 11))
    tokens[:, 3, 6:] = 0
    labels = torch.randint(0, 4, (10, 8))
    torch.manual_seed(0)
    model = TextCnn(60, 8, 12, 4).to(dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.05)
    losses = []
    for t in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens[t % 10]), labels[t % 10])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    golden.put(f"{case}.losses", torch.tensor(losses, dtype=torch.float64))


if __name__ == "__main__":
    train("text_cnn.adamw_f64", torch.float64)
    train("text_cnn.adamw_f32", torch.float32)
    golden.write("training_conv.safetensors")
