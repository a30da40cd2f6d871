"""Asks PyTorch where its optimisers arrive after 1, 2, 10 and 100 steps, and how it clips: optim.safetensors."""

import math

import torch

from common import Golden, draw, uniform

SHAPES = [(3, 4), (5,)]
KEPT = (1, 2, 10, 100)

golden = Golden()


def start(which):
    """Parameter `which`, element i: sin(1 + i + 20 * which)."""
    count = math.prod(SHAPES[which])
    return torch.tensor([math.sin(1 + i + 20 * which) for i in range(count)],
                        dtype=torch.float64).reshape(SHAPES[which])


def gradient(which, step):
    """Element i of parameter `which` at step 1, 2, ...: cos(0.1 * step * (i + 1) + which) + 0.01 * i."""
    count = math.prod(SHAPES[which])
    return torch.tensor([math.cos(0.1 * step * (i + 1) + which) + 0.01 * i for i in range(count)],
                        dtype=torch.float64).reshape(SHAPES[which])


def run(name, make, **options):
    for suffix, dtype in (("f64", torch.float64), ("f32", torch.float32)):
        case = f"{name}_{suffix}"
        golden.arguments(case, {"dtype": dtype, **{key: list(value) if isinstance(value, tuple) else value
                                                   for key, value in options.items()}})
        parameters = [start(which).to(dtype).requires_grad_() for which in range(len(SHAPES))]
        settings = dict(options)
        groups = [{"params": [parameters[0]]}, {"params": [parameters[1]]}]
        if "lr1" in settings:
            groups[1]["lr"] = settings.pop("lr1")
        if "weight_decay1" in settings:
            groups[1]["weight_decay"] = settings.pop("weight_decay1")
        optimizer = make(groups, **settings)
        for step in range(1, max(KEPT) + 1):
            for which, parameter in enumerate(parameters):
                parameter.grad = gradient(which, step).to(dtype)
            optimizer.step()
            if step in KEPT:
                for which, parameter in enumerate(parameters):
                    golden.put(f"{case}.step{step}.p{which}", parameter)


def optimisers():
    for which in range(len(SHAPES)):
        golden.put(f"problem.start.p{which}", start(which))
        for step in (1, 2, 100):
            golden.put(f"problem.step{step}.g{which}", gradient(which, step))
    sgd = torch.optim.SGD
    run("sgd.plain", sgd, lr=0.1)
    run("sgd.momentum", sgd, lr=0.1, momentum=0.9)
    run("sgd.dampening", sgd, lr=0.1, momentum=0.9, dampening=0.5)
    run("sgd.nesterov", sgd, lr=0.1, momentum=0.9, nesterov=True)
    run("sgd.weight_decay", sgd, lr=0.1, weight_decay=0.05)
    run("sgd.momentum_weight_decay", sgd, lr=0.1, momentum=0.9, weight_decay=0.05)
    run("sgd.nesterov_weight_decay", sgd, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)
    run("sgd.maximize", sgd, lr=0.1, momentum=0.9, maximize=True)
    run("sgd.maximize_weight_decay", sgd, lr=0.1, weight_decay=0.05, maximize=True)
    run("sgd.groups", sgd, lr=0.1, momentum=0.9, lr1=0.01, weight_decay1=0.1)
    for name, make in (("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)):
        run(f"{name}.default", make)
        run(f"{name}.lr", make, lr=0.03)
        run(f"{name}.betas", make, lr=0.03, betas=(0.7, 0.9))
        run(f"{name}.eps", make, lr=0.03, eps=0.1)
        run(f"{name}.weight_decay", make, lr=0.03, weight_decay=0.1)
        run(f"{name}.no_weight_decay", make, lr=0.03, weight_decay=0.0)
        run(f"{name}.amsgrad", make, lr=0.03, amsgrad=True)
        run(f"{name}.amsgrad_weight_decay", make, lr=0.03, amsgrad=True, weight_decay=0.1, betas=(0.5, 0.8))
        run(f"{name}.maximize", make, lr=0.03, maximize=True)
        run(f"{name}.maximize_weight_decay", make, lr=0.03, maximize=True, weight_decay=0.1)
        run(f"{name}.groups", make, lr=0.03, lr1=0.003, weight_decay1=0.2)


def clip(case, gradients, function, **arguments):
    inputs = draw(case, gradients)
    golden.arguments(case, arguments, inputs)
    for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
        parameters = [torch.zeros(value.shape, dtype=dtype, requires_grad=True) for value in inputs]
        for i, (parameter, value) in enumerate(zip(parameters, inputs)):
            parameter.grad = value.to(dtype).clone()
            if dtype == torch.float64:
                golden.put(f"{case}.in{i}", value)
        total = function(parameters)
        if total is not None:
            golden.put(f"{prefix}.total_norm", total)
        for i, parameter in enumerate(parameters):
            golden.put(f"{prefix}.out{i}", parameter.grad)


def clipping():
    some = [uniform(3, 4), uniform(5), uniform()]
    for name, norm_type in [("1", 1.0), ("2", 2.0), ("3", 3.0), ("inf", math.inf)]:
        for size, max_norm in [("clipped", 0.5), ("kept", 100.0)]:
            clip(f"clip_grad_norm.{size}_{name}", some,
                 lambda p: torch.nn.utils.clip_grad_norm_(p, max_norm, norm_type), max_norm=max_norm,
                 norm_type=norm_type)
    clip("clip_grad_norm.zeros", [torch.zeros(3, dtype=torch.float64)],
         lambda p: torch.nn.utils.clip_grad_norm_(p, 1.0), max_norm=1.0, norm_type=2.0)
    for name, value in [("nan", math.nan), ("inf", math.inf)]:
        clip(f"clip_grad_norm.holds_{name}", [torch.tensor([1.0, value, 3.0], dtype=torch.float64)],
             lambda p: torch.nn.utils.clip_grad_norm_(p, 1.0), max_norm=1.0, norm_type=2.0)
    clip("clip_grad_value.plain", some, lambda p: torch.nn.utils.clip_grad_value_(p, 0.5), clip_value=0.5)


if __name__ == "__main__":
    optimisers()
    clipping()
    golden.write("optim.safetensors")
