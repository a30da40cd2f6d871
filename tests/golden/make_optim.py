"""Makes optim.safetensors: parameters after 1, 2, 10 and 100 steps of each optimizer, and gradient clipping."""

import inspect
import math
import sys

import torch

from common import Golden, draw, uniform

SHAPES = [(3, 4), (5,)]
TABLE = (7, 3)  # for row-sparse gradients
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


def optimizers():
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
    adagrad = torch.optim.Adagrad
    run("adagrad.default", adagrad)
    run("adagrad.lr", adagrad, lr=0.1)
    run("adagrad.lr_decay", adagrad, lr=0.1, lr_decay=0.05)
    run("adagrad.weight_decay", adagrad, lr=0.1, weight_decay=0.1)
    run("adagrad.initial_accumulator_value", adagrad, lr=0.1, initial_accumulator_value=0.5)
    run("adagrad.eps", adagrad, lr=0.1, eps=0.1)
    run("adagrad.maximize", adagrad, lr=0.1, maximize=True)
    run("adagrad.lr_decay_weight_decay", adagrad, lr=0.1, lr_decay=0.05, weight_decay=0.1)
    run("adagrad.lr_decay_initial", adagrad, lr=0.1, lr_decay=0.05, initial_accumulator_value=0.5)
    run("adagrad.maximize_weight_decay", adagrad, lr=0.1, maximize=True, weight_decay=0.1)
    run("adagrad.groups", adagrad, lr=0.1, lr_decay=0.01, lr1=0.03, weight_decay1=0.2)
    rmsprop = torch.optim.RMSprop
    run("rmsprop.default", rmsprop)
    run("rmsprop.alpha", rmsprop, lr=0.03, alpha=0.9)
    run("rmsprop.eps", rmsprop, lr=0.03, eps=0.1)
    run("rmsprop.weight_decay", rmsprop, lr=0.03, weight_decay=0.1)
    run("rmsprop.momentum", rmsprop, lr=0.03, momentum=0.9)
    run("rmsprop.centered", rmsprop, lr=0.03, centered=True)
    run("rmsprop.maximize", rmsprop, lr=0.03, maximize=True)
    run("rmsprop.momentum_centered", rmsprop, lr=0.03, momentum=0.9, centered=True)
    run("rmsprop.momentum_weight_decay", rmsprop, lr=0.03, momentum=0.9, weight_decay=0.1)
    run("rmsprop.centered_weight_decay", rmsprop, lr=0.03, centered=True, weight_decay=0.1)
    run("rmsprop.maximize_momentum_centered", rmsprop, lr=0.03, maximize=True, momentum=0.5, centered=True,
        weight_decay=0.1)
    run("rmsprop.groups", rmsprop, lr=0.03, momentum=0.5, lr1=0.003, weight_decay1=0.2)
    adadelta = torch.optim.Adadelta
    run("adadelta.default", adadelta)
    run("adadelta.lr", adadelta, lr=0.3)
    run("adadelta.rho", adadelta, rho=0.5)
    run("adadelta.eps", adadelta, eps=1e-3)
    run("adadelta.weight_decay", adadelta, weight_decay=0.1)
    run("adadelta.maximize", adadelta, maximize=True)
    run("adadelta.rho_eps", adadelta, rho=0.8, eps=1e-2)
    run("adadelta.maximize_weight_decay", adadelta, maximize=True, weight_decay=0.1)
    # PyTorch 1.13 multiplies mu into the next product twice, which version 2.0 mends, and keeps the product in the
    # default type.
    module = sys.modules["torch.optim.nadam"]
    source = inspect.getsource(module._single_tensor_nadam)
    mended = source.replace("mu_product * mu * mu_next", "mu_product * mu_next")
    assert mended != source
    exec(mended, vars(module))

    def nadam(groups, **options):
        torch.set_default_dtype(groups[0]["params"][0].dtype)
        return torch.optim.NAdam(groups, **options)

    run("nadam.default", nadam)
    run("nadam.lr", nadam, lr=0.03)
    run("nadam.betas", nadam, lr=0.03, betas=(0.7, 0.9))
    run("nadam.eps", nadam, lr=0.03, eps=0.1)
    run("nadam.weight_decay", nadam, lr=0.03, weight_decay=0.1)
    run("nadam.momentum_decay", nadam, lr=0.03, momentum_decay=0.1)
    run("nadam.groups", nadam, lr=0.03, lr1=0.003, weight_decay1=0.2)
    torch.set_default_dtype(torch.float32)
    radam = torch.optim.RAdam
    run("radam.default", radam)
    run("radam.lr", radam, lr=0.03)
    run("radam.betas", radam, lr=0.03, betas=(0.7, 0.9))
    run("radam.eps", radam, lr=0.03, eps=0.1)
    run("radam.weight_decay", radam, lr=0.03, weight_decay=0.1)
    run("radam.groups", radam, lr=0.03, lr1=0.003, weight_decay1=0.2)
    run("adadelta.groups", adadelta, lr=1.0, lr1=0.3, weight_decay1=0.2)


def sparse_gradient(step):
    """The gradient of five lookups in a table of 7 rows, two of them of the same row: lookup j adds
    cos(0.1 * step * (j + 1) + c) + 0.01 * j to column c."""
    ids = [(3 * step + j * j) % TABLE[0] for j in range(5)]
    rows = [[math.cos(0.1 * step * (j + 1) + c) + 0.01 * j for c in range(TABLE[1])] for j in range(5)]
    return ids, torch.tensor(rows, dtype=torch.float64)


def run_sparse(name, make, **options):
    for suffix, dtype in (("f64", torch.float64), ("f32", torch.float32)):
        case = f"{name}_{suffix}"
        golden.arguments(case, {"dtype": dtype, **{key: list(value) if isinstance(value, tuple) else value
                                                   for key, value in options.items()}})
        table = torch.tensor([math.sin(1 + i) for i in range(math.prod(TABLE))],
                             dtype=torch.float64).reshape(TABLE).to(dtype).requires_grad_()
        optimizer = make([table], **options)
        for step in range(1, max(KEPT) + 1):
            ids, rows = sparse_gradient(step)
            table.grad = torch.sparse_coo_tensor([ids], rows.to(dtype), TABLE)
            optimizer.step()
            if step in KEPT:
                golden.put(f"{case}.step{step}.p0", table)


def sparse_optimizers():
    adam = torch.optim.SparseAdam
    run_sparse("sparse_adam.default", adam)
    run_sparse("sparse_adam.lr", adam, lr=0.03)
    run_sparse("sparse_adam.betas", adam, lr=0.03, betas=(0.7, 0.9))
    run_sparse("sparse_adam.eps", adam, lr=0.03, eps=0.1)
    run_sparse("sparse_adam.maximize", adam, lr=0.03, maximize=True)
    sgd = torch.optim.SGD
    run_sparse("sparse_sgd.plain", sgd, lr=0.1)
    run_sparse("sparse_sgd.momentum", sgd, lr=0.1, momentum=0.9)
    run_sparse("sparse_sgd.dampening", sgd, lr=0.1, momentum=0.9, dampening=0.5)
    run_sparse("sparse_sgd.nesterov", sgd, lr=0.1, momentum=0.9, nesterov=True)
    run_sparse("sparse_sgd.maximize", sgd, lr=0.1, momentum=0.9, maximize=True)
    adagrad = torch.optim.Adagrad
    run_sparse("sparse_adagrad.default", adagrad)
    run_sparse("sparse_adagrad.lr_decay", adagrad, lr=0.1, lr_decay=0.05)
    run_sparse("sparse_adagrad.initial_accumulator_value", adagrad, lr=0.1, initial_accumulator_value=0.5)
    run_sparse("sparse_adagrad.eps", adagrad, lr=0.1, eps=0.1)
    run_sparse("sparse_adagrad.maximize", adagrad, lr=0.1, maximize=True)


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


def lbfgs():
    """The valley of Rosenbrock (1960) in four dimensions, from (-1.2, 1, -0.5, 0.8), after each of 6 steps of 4
    iterations without a line search; and with one, the point and the number of evaluations."""

    def valley(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    for name, options in [("plain", {"lr": 0.001, "max_iter": 4}), ("short", {"lr": 0.002, "max_iter": 4, "history_size": 2}),
                          ("wolfe", {"max_iter": 20, "line_search_fn": "strong_wolfe"})]:
        x = torch.tensor([-1.2, 1.0, -0.5, 0.8], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([x], **options)

        def closure():
            optimizer.zero_grad()
            loss = valley(x)
            loss.backward()
            return loss

        golden.metadata[f"lbfgs.{name}"] = f"LBFGS({options})"
        for step in range(1, 7):
            loss = optimizer.step(closure)
            golden.put(f"lbfgs.{name}.step{step}.p0", x)
            golden.put(f"lbfgs.{name}.step{step}.loss", loss)
        golden.put(f"lbfgs.{name}.evaluations", torch.tensor(optimizer.state[x]["func_evals"]))


if __name__ == "__main__":
    optimizers()
    lbfgs()
    sparse_optimizers()
    clipping()
    golden.write("optim.safetensors")
