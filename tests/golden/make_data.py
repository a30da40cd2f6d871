"""Makes data.safetensors: the orders in which PyTorch's DataLoader and random_split return examples."""

import warnings

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, TensorDataset, random_split

from common import Golden

golden = Golden()


def loader(case, n, epochs=3, seed=0, own_generator=False, **options):
    """out0: the examples of all epochs one after the other, out1: the sizes of all batches; next: the next number
    of the default generator, next_own: that of the loader's own generator."""
    golden.arguments(case, {"n": n, "epochs": epochs, "seed": seed, "own_generator": own_generator, **options})
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 5) if own_generator else None
    batches = DataLoader(TensorDataset(torch.arange(n)), generator=generator, **options)
    order, sizes = [], []
    for _ in range(epochs):
        for (batch,) in batches:
            order += batch.tolist()
            sizes.append(len(batch))
    golden.put(f"{case}.out0", torch.tensor(order, dtype=torch.int64))
    golden.put(f"{case}.out1", torch.tensor(sizes, dtype=torch.int64))
    golden.put(f"{case}.next", torch.rand(1))
    if own_generator:
        golden.put(f"{case}.next_own", torch.rand(1, generator=generator))


def split(case, n, lengths, seed=0):
    golden.arguments(case, {"n": n, "seed": seed, "lengths": lengths})
    torch.manual_seed(seed)
    for i, part in enumerate(random_split(range(n), lengths)):
        golden.put(f"{case}.out{i}", torch.tensor(part.indices, dtype=torch.int64))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for own in (False, True):
        name = "own" if own else "default"
        for n, batch_size in ((10, 3), (12, 4), (1, 1), (3, 8), (100, 32)):
            for drop_last in (False, True):
                suffix = f"{name}_{n}_{batch_size}{'_drop' if drop_last else ''}"
                for shuffle in (False, True):
                    loader(f"data_loader.{'shuffled' if shuffle else 'in_order'}_{suffix}", n, own_generator=own,
                           batch_size=batch_size, shuffle=shuffle, drop_last=drop_last)
        loader(f"data_loader.seed_{name}", 1000, epochs=2, seed=2**32 - 1, own_generator=own, batch_size=64,
               shuffle=True)
    split("random_split.lengths", 10, [7, 3])
    split("random_split.three", 50, [20, 0, 30], seed=3)
    split("random_split.fractions", 10, [0.9, 0.1])
    split("random_split.rounded", 11, [0.3, 0.3, 0.4], seed=1)
    split("random_split.rounded_twice", 29, [0.25, 0.25, 0.25, 0.25], seed=1)
    split("random_split.all", 5, [1.0])
    split("random_split.one", 1, [1])

    ragged = [lambda n=n: torch.arange(n * 2, dtype=torch.float64).reshape(n, 2) + n for n in (3, 1, 0, 4)]
    for batch_first in (False, True):
        golden.values(f"pad_sequence.{'batch_first' if batch_first else 'default'}",
                      lambda *x: pad_sequence(x, batch_first=batch_first, padding_value=-1.5), ragged,
                      batch_first=batch_first, padding_value=-1.5)
    golden.values("pad_sequence.ids", lambda *x: pad_sequence(x), [torch.tensor([1, 2]), torch.tensor([3])])
    golden.write("data.safetensors")
