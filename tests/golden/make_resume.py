"""Makes resume.safetensors: the state of PyTorch's optimizers after 5 steps, and the parameters after 10."""

import torch

import make_optim
from common import Golden

BEFORE, AFTER = 5, 10

CASES = {
    "sgd.plain": (torch.optim.SGD, dict(lr=0.1, weight_decay=0.05)),
    "sgd.momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.5)),
    "sgd.nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)),
    "adam.plain": (torch.optim.Adam, dict(lr=0.03, weight_decay=0.1)),
    "adam.amsgrad": (torch.optim.Adam, dict(lr=0.03, amsgrad=True, betas=(0.5, 0.8))),
    "adamw.plain": (torch.optim.AdamW, dict(lr=0.03, weight_decay=0.1)),
    "adamw.amsgrad": (torch.optim.AdamW, dict(lr=0.03, amsgrad=True)),
    "adagrad.plain": (torch.optim.Adagrad, dict(lr=0.1, lr_decay=0.05, initial_accumulator_value=0.5)),
    "rmsprop.plain": (torch.optim.RMSprop, dict(lr=0.03, weight_decay=0.1)),
    "rmsprop.momentum": (torch.optim.RMSprop, dict(lr=0.03, momentum=0.9)),
    "rmsprop.centered": (torch.optim.RMSprop, dict(lr=0.03, momentum=0.5, centered=True)),
    "adadelta.plain": (torch.optim.Adadelta, dict(lr=1.0, rho=0.8, weight_decay=0.1)),
    "sparse_adam.plain": (torch.optim.SparseAdam, dict(lr=0.03, betas=(0.7, 0.9))),
    "sparse_sgd.momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    "sparse_adagrad.plain": (torch.optim.Adagrad, dict(lr=0.1, lr_decay=0.05)),
}


def is_sparse(name):
    return name.startswith("sparse_")


def parameters(name, dtype):
    if is_sparse(name):
        count = make_optim.TABLE[0] * make_optim.TABLE[1]
        return [torch.sin(1 + torch.arange(count, dtype=torch.float64)).reshape(make_optim.TABLE).to(dtype)
                .requires_grad_()]
    return [make_optim.start(which).to(dtype).requires_grad_() for which in range(len(make_optim.SHAPES))]


def optimizer(name, leaves):
    """Each parameter is a group; the second one's learning rate is a third."""
    make, options = CASES[name]
    groups = [{"params": [leaf], "lr": options["lr"] / (1 if i == 0 else 3)} for i, leaf in enumerate(leaves)]
    return make(groups, **options)


def go_on(name, made, leaves, first, last):
    for step in range(first, last + 1):
        for which, leaf in enumerate(leaves):
            if is_sparse(name):
                ids, rows = make_optim.sparse_gradient(step)
                leaf.grad = torch.sparse_coo_tensor([ids], rows.to(leaf.dtype), leaf.shape)
            else:
                leaf.grad = make_optim.gradient(which, step).to(leaf.dtype)
        made.step()


def saved(made, steps):
    """PyTorch's state under our names. Its SGD does not count steps, and has no buffer without momentum."""
    state = {}
    for i, remembered in made.state_dict()["state"].items():
        state[f"state.p{i}.step"] = torch.tensor(int(remembered.get("step", steps)))
        for what, value in remembered.items():
            if what != "step" and value is not None:
                state[f"state.p{i}.{what}"] = value.to_dense() if value.is_sparse else value.clone()
    for i, group in enumerate(made.param_groups):
        if f"state.p{i}.step" not in state:
            state[f"state.p{i}.step"] = torch.tensor(steps)
        state[f"param_groups.{i}.lr"] = torch.tensor(group["lr"], dtype=torch.float64)
    return state


def main():
    golden = Golden()
    for name, (_, options) in CASES.items():
        for suffix, dtype in (("f64", torch.float64), ("f32", torch.float32)):
            case = f"{name}_{suffix}"
            stored = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
            golden.arguments(case, {"dtype": dtype, **stored})
            leaves = parameters(name, dtype)
            made = optimizer(name, leaves)
            go_on(name, made, leaves, 1, BEFORE)
            made.param_groups[0]["lr"] *= 0.5
            for label, steps in (("before", BEFORE), ("after", AFTER)):
                if label == "after":
                    go_on(name, made, leaves, BEFORE + 1, AFTER)
                for i, leaf in enumerate(leaves):
                    golden.put(f"{case}.{label}_p{i}", leaf.clone())
                for key, value in saved(made, steps).items():
                    golden.put(f"{case}.{label}.{key}", value)
    golden.write("resume.safetensors")


if __name__ == "__main__":
    main()
