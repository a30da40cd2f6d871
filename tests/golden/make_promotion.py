"""Makes promotion.safetensors: the dtype of every operation's result."""

import torch

from common import Golden

DTYPES = [torch.bool, torch.int64, torch.float32, torch.float64]
SCALARS = {"bool": True, "int": 2, "float": 2.5}

golden = Golden()


def case(name, function, inputs, **arguments):
    try:
        function(*inputs)
    except (RuntimeError, IndexError, ValueError):
        golden.error(name, function, inputs, **arguments)
    else:
        golden.values(name, function, inputs, **arguments)


def sample(dtype, shape=(2,)):
    return torch.ones(shape, dtype=dtype)


def short(dtype):
    return str(dtype)[6:]


for name in ("add", "sub", "mul", "div", "pow", "maximum", "lt", "eq", "logical_and", "atan2"):
    function = getattr(torch, name)
    for a in DTYPES:
        for b in DTYPES:
            case(f"{name}.{short(a)}_{short(b)}", function, [sample(a), sample(b)])
for name in ("add", "div", "lt"):
    function = getattr(torch, name)
    for a in DTYPES:
        for b in DTYPES:
            case(f"{name}.{short(a)}_zero_dim_{short(b)}", function, [sample(a), sample(b, ())])
for name in ("add", "mul", "div", "lt", "pow"):
    function = getattr(torch, name)
    for a in DTYPES:
        for kind, scalar in SCALARS.items():
            case(f"{name}.{short(a)}_scalar_{kind}", lambda x: function(x, scalar), [sample(a)],
                 scalar_right=scalar)
for a in DTYPES:
    for name in ("sum", "mean", "prod", "var", "std", "max", "argmax", "any", "all", "norm",
                 "neg", "abs", "sign", "square", "exp", "sqrt", "sin", "tanh", "sigmoid", "relu", "reciprocal",
                 "floor",
                 "round", "logical_not", "isnan", "isfinite", "erf"):
        case(f"{name}.{short(a)}", getattr(torch, name), [sample(a)])
    for name in ("softmax", "log_softmax", "cumsum"):
        function = getattr(torch, name)
        case(f"{name}.{short(a)}", lambda x: function(x, 0), [sample(a)], dim=0)
    case(f"logsumexp.{short(a)}", lambda x: torch.logsumexp(x, [0]), [sample(a)], dim=[0])
    for b in DTYPES:
        mask = torch.tensor([True, False])
        case(f"where.{short(a)}_{short(b)}", torch.where, [mask, sample(a), sample(b)])
        case(f"cat.{short(a)}_{short(b)}", lambda *x: torch.cat(x), [sample(a), sample(b)], dim=0)
        case(f"stack.{short(a)}_{short(b)}", lambda *x: torch.stack(x), [sample(a), sample(b)], dim=0)
        case(f"matmul.{short(a)}_{short(b)}", torch.matmul, [sample(a, (2, 2)), sample(b, (2, 2))])

golden.write("promotion.safetensors")
