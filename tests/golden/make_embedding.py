"""Makes embedding.safetensors: nn.Embedding and nn.EmbeddingBag with every option, alone and in pairs."""

import itertools
import math

import torch
from torch import nn

from common import Golden, exact, seed_for, uniform

golden = Golden()

TABLE = (7, 3)
IDS = torch.tensor([[1, 4, 1, 0], [4, 6, 2, 6]])


def scaled_by_frequency(table, ids, bounds, mode, weights, padding, g, by_frequency):
    """The gradient of a table, bag by bag in float64, as the documentation defines it.

    PyTorch 1.13 divides by the count of another id where mode is sum or mean and scale_grad_by_freq is set (its
    counts[indices_data[i]] is off, issue 190063): its results check this formula without the option,
    and the formula gives the results with it.
    """
    grad = torch.zeros(table.shape, dtype=torch.float64)
    count = torch.bincount(ids, minlength=table.shape[0])
    for b, (begin, end) in enumerate(zip(bounds[:-1], bounds[1:])):
        bag = [i for i in range(begin, end) if ids[i] != padding]
        for i in bag:
            factor = 1.0 if weights is None else weights[i].item()
            factor /= len(bag) if mode == "mean" else 1
            factor /= count[ids[i]].item() if by_frequency else 1
            grad[ids[i]] += factor * g[b].double()
    return grad


def dot_products(table, ids, bounds, padding, g):
    """The gradient of per_sample_weights, in float64: the last bits of PyTorch's own differ from run to run."""
    dots = torch.zeros(ids.shape, dtype=torch.float64)
    for b, (begin, end) in enumerate(zip(bounds[:-1], bounds[1:])):
        for i in range(begin, end):
            if ids[i] != padding:
                dots[i] = sum(x * y for x, y in zip(table[ids[i]].tolist(), g[b].tolist()))
    return dots


def dense(grad):
    return grad.coalesce().to_dense() if grad.is_sparse else grad


def layer(case, make, ids, offsets=None, weights=False, **options):
    """param.weight, in0 (ids), in1 (offsets), in2 (per_sample_weights); out0, g0, grad.weight, grad2, after.weight."""
    seed_for(case)
    start = exact(uniform(*TABLE, low=-2.0, high=2.0)())
    factors = exact(uniform(*ids.shape)()) if weights else None
    inputs = [value for value in (ids, offsets, factors) if value is not None]
    golden.arguments(case, options, inputs)
    golden.put(f"{case}.param.weight", start)
    golden.put(f"{case}.in0", ids)
    if offsets is not None:
        golden.put(f"{case}.in1", offsets)
    if weights:
        golden.put(f"{case}.in2", factors)
    g = None
    for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
        module = make(**options)
        module.weight = nn.Parameter(start.to(dtype).clone())
        arguments = [ids] if offsets is None else [ids, offsets]
        leaf = factors.to(dtype).clone().requires_grad_() if weights else None
        output = module(*arguments, per_sample_weights=leaf) if weights else module(*arguments)
        if g is None:
            g = exact(torch.randn_like(output))
            golden.put(f"{case}.g0", g)
        golden.put(f"{prefix}.out0", output)
        output.backward(g.to(dtype))
        grad = dense(module.weight.grad)
        if ids.dim() == 2:
            bounds = [b * ids.shape[1] for b in range(ids.shape[0] + 1)]
        elif offsets is not None:
            bounds = offsets.tolist() + ([] if options.get("include_last_offset") else [ids.numel()])
        if isinstance(module, nn.EmbeddingBag) and module.mode != "max":
            flat = None if factors is None else factors.flatten()
            by_formula = [scaled_by_frequency(start, ids.flatten(), bounds, module.mode, flat, module.padding_idx, g,
                                              by_frequency) for by_frequency in (False, True)]
            if options.get("scale_grad_by_freq"):
                grad = by_formula[1].to(dtype)
            else:
                assert torch.allclose(grad.double(), by_formula[0], rtol=1e-5, atol=1e-6), case
        golden.put(f"{prefix}.grad.weight", grad)
        if weights:
            dots = dot_products(module.weight, ids.flatten(), bounds, module.padding_idx, g).reshape(ids.shape)
            assert torch.allclose(leaf.grad.double(), dots, rtol=1e-5, atol=1e-6), case
            golden.put(f"{prefix}.grad2", dots.to(dtype))
        if "max_norm" in options:
            golden.put(f"{prefix}.after.weight", module.weight)


def legal(options):
    """PyTorch's Embedding rejects row-sparse gradients with scale_grad_by_freq; EmbeddingBag rejects both with max."""
    by_frequency, sparse = options.get("scale_grad_by_freq"), options.get("sparse")
    if options.get("mode") == "max":
        return not by_frequency and not sparse
    return not (by_frequency and sparse)


def combined(options):
    """Each of the named options alone, and each legal pair, as (name, options)."""
    for size in (0, 1, 2):
        for names in itertools.combinations(options, size):
            together = {}
            for name in names:
                together.update(options[name])
            yield "_and_".join(names) or "plain", together


NORMS = {f"norm_{name}": {"max_norm": limit, "norm_type": p}
         for name, p, limit in (("1", 1.0, 2.5), ("2", 2.0, 1.5), ("half", 0.5, 6.0), ("inf", math.inf, 1.2))}
COMMON = {"by_frequency": {"scale_grad_by_freq": True}, "sparse": {"sparse": True}}


def embeddings():
    def make(**options):
        return nn.Embedding(*TABLE, **options)

    paddings = {"padding_first": {"padding_idx": 0}, "padding": {"padding_idx": 4}, "padding_last": {"padding_idx": -1}}
    for name, options in combined({**paddings, **NORMS, **COMMON}):
        if legal(options) and name.count("padding") < 2 and name.count("norm") < 2:
            layer(f"embedding.{name}", make, IDS, **options)
    for name, ids in (("one_id", torch.tensor(4)), ("row", torch.tensor([4, 1, 4, 4, 0])),
                      ("none", torch.zeros(0, dtype=torch.int64)), ("no_rows", torch.zeros(0, 2, dtype=torch.int64)),
                      ("only_padding", torch.full((2, 2), 4))):
        layer(f"embedding.ids_{name}", make, ids, padding_idx=4, scale_grad_by_freq=True)
        if ids.dim() > 0:
            layer(f"embedding.ids_{name}_sparse_norm", make, ids, padding_idx=4, sparse=True, max_norm=1.5)


def bags():
    def make(**options):
        return nn.EmbeddingBag(*TABLE, **options)

    ids = torch.tensor([1, 4, 1, 0, 4, 6, 4, 2, 6])
    offsets = torch.tensor([0, 0, 4, 4, 7])  # the first and the third bag are empty
    closed = torch.tensor([0, 3, 5, 9, 9])
    padded = torch.tensor([1, 4, 1, 4, 4, 6])  # with padding_idx 4, the second bag is only padding
    for mode in ("sum", "mean", "max"):
        singles = {"padding": {"padding_idx": 4}, "padding_last": {"padding_idx": -1}, **NORMS, **COMMON}
        for name, options in combined(singles):
            options = {"mode": mode, **options}
            if not legal(options) or name.count("padding") > 1 or name.count("norm") > 1:
                continue
            if "norm" in name and "_and_" in name and "norm_2" not in name:
                continue
            layer(f"embedding_bag.{mode}_{name}", make, ids, offsets, **options)
        layer(f"embedding_bag.{mode}_last_offset", make, ids, closed, mode=mode, include_last_offset=True)
        layer(f"embedding_bag.{mode}_last_offset_and_padding", make, padded, torch.tensor([0, 3, 5, 5, 6]), mode=mode,
              include_last_offset=True, padding_idx=4)
        layer(f"embedding_bag.{mode}_rows", make, IDS, mode=mode)
        layer(f"embedding_bag.{mode}_rows_and_padding", make, torch.tensor([[1, 4, 1], [4, 4, 4]]), mode=mode,
              padding_idx=4)
        layer(f"embedding_bag.{mode}_one_id", make, torch.tensor([[3]]), mode=mode)
        layer(f"embedding_bag.{mode}_length_1", make, torch.tensor([[3], [0], [3]]), mode=mode)
        layer(f"embedding_bag.{mode}_bags_of_one", make, torch.tensor([3, 0, 3]), torch.tensor([0, 1, 2]), mode=mode)
        layer(f"embedding_bag.{mode}_batch_1", make, torch.tensor([[3, 0, 3, 6, 6]]), mode=mode)
        layer(f"embedding_bag.{mode}_no_ids", make, torch.zeros(0, dtype=torch.int64), torch.tensor([0, 0]), mode=mode)
    for name, options in combined({"padding": {"padding_idx": 4}, "norm_2": NORMS["norm_2"], **COMMON,
                                   "last_offset": {"include_last_offset": True}}):
        if legal(options):
            where = closed if "last_offset" in name else offsets
            layer(f"embedding_bag.weighted_{name}", make, ids, where, weights=True, mode="sum", **options)
    layer("embedding_bag.weighted_rows", make, IDS, weights=True, mode="sum", padding_idx=4)


if __name__ == "__main__":
    embeddings()
    bags()
    golden.write("embedding.safetensors")
