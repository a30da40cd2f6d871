"""Makes pruning.safetensors: the masks of torch.nn.utils.prune, and training with pruned weights.

Masks are asked for values without ties, because PyTorch does not say which of equal elements it prunes.
"""

import torch
from torch import nn
from torch.nn.utils import prune

from common import Golden, distinct, exact, seed_for, uniform

golden = Golden()


def masks(case, shape, steps):
    """in0, and mask0, mask1, ...: the mask after each step, in float32."""
    seed_for(case)
    value = distinct(*shape)().float()
    golden.put(f"{case}.in0", value)
    module = nn.Module()
    module.weight = nn.Parameter(value)
    torch.manual_seed(7)
    for i, step in enumerate(steps):
        step(module)
        golden.put(f"{case}.mask{i}", module.weight_mask.bool())


def l1(amount):
    return lambda module: prune.l1_unstructured(module, "weight", amount)


def drawn(amount):
    return lambda module: prune.random_unstructured(module, "weight", amount)


def structured(amount, n, dim):
    return lambda module: prune.ln_structured(module, "weight", amount, n, dim)


def one_parameter():
    masks("prune_l1.parts", (5, 9), [l1(0.3), l1(0.5), l1(0.0), l1(1.0)])
    masks("prune_l1.numbers", (5, 9), [l1(1), l1(7), l1(0), l1(37)])
    # Halves are rounded to the even number: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2.
    masks("prune_l1.halves", (10,), [l1(0.05), l1(0.15), l1(0.3125)])
    masks("prune_random.parts", (5, 9), [drawn(0.3), drawn(0.5), drawn(4)])
    masks("prune_random.large", (40, 30), [drawn(0.2), drawn(0.2)])
    for name, n in (("one", 1), ("two", 2), ("infinity", float("inf"))):
        masks(f"prune_ln.{name}_rows", (9, 6), [structured(0.3, n, 0), structured(2, n, 0)])
        masks(f"prune_ln.{name}_columns", (9, 6), [structured(0.3, n, 1), structured(0.5, n, -1)])
    masks("prune_ln.conv", (4, 3, 5), [structured(1, 2, 1), structured(0.4, 2, -1)])
    masks("prune_ln.after_l1", (9, 6), [l1(0.4), structured(3, 1, 0), structured(0.5, 2, 1)])


def several_parameters():
    for name, method in (("l1", prune.L1Unstructured), ("random", prune.RandomUnstructured)):
        case = f"prune_global.{name}"
        seed_for(case)
        values = distinct(83)().float()
        modules = []
        for i, shape in enumerate([(5, 9), (7, 4), (10,)]):
            modules.append(nn.Module())
            count = torch.Size(shape).numel()
            modules[-1].weight = nn.Parameter(values[:count].reshape(shape).clone())
            values = values[count:]
            golden.put(f"{case}.in{i}", modules[-1].weight)
        l1(3)(modules[1])
        torch.manual_seed(7)
        for amount in (0.25, 20):
            prune.global_unstructured([(module, "weight") for module in modules], method, amount=amount)
        for i, module in enumerate(modules):
            golden.put(f"{case}.mask{i}", module.weight_mask.bool())


def training(name, optimizer):
    """The weights of a Linear that is pruned after 4 steps, and again after 8."""
    case = f"prune_training.{name}"
    seed_for(case)
    x, target = uniform(7, 6)(), uniform(7, 5)()
    module = nn.Linear(6, 5).double()
    module.weight.data = exact(module.weight.data)
    module.bias.data = exact(module.bias.data)
    for role, value in (("in0", x), ("in1", target), ("param.weight", module.weight), ("param.bias", module.bias)):
        golden.put(f"{case}.{role}", value.clone())
    steps = optimizer(module.parameters())
    for i in range(12):
        if i in (4, 8):
            prune.l1_unstructured(module, "weight", 0.4)
            module(x)  # computes the pruned weight
        steps.zero_grad()
        nn.functional.mse_loss(module(x), target).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 0.2)
        steps.step()
        if i in (3, 7, 11):
            module(x)
            golden.put(f"{case}.weight{i + 1}", module.weight.detach().clone())


one_parameter()
several_parameters()
training("sgd", lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01))
training("adam", lambda parameters: torch.optim.Adam(parameters, lr=0.05, weight_decay=0.01))
training("rmsprop", lambda parameters: torch.optim.RMSprop(parameters, lr=0.02, momentum=0.5))
golden.write("pruning.safetensors")
