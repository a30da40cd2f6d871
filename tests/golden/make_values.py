"""Makes values.safetensors: special values, kinks, ties, empty tensors, and operations without a gradient."""

import torch
import torch.nn.functional as F

from common import Golden, distinct, uniform

INF, NAN = float("inf"), float("nan")

golden = Golden()


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64).float().double()


SPECIAL = numbers(-INF, -1e30, -2.0, -1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0, 2.0, 1e30, INF, NAN)
ROWS = numbers([1e30, 0.0, -1e30], [INF, 0.0, 1.0], [-INF, -INF, -INF], [-INF, 0.0, 1.0], [NAN, 0.0, 1.0],
               [1000.0, 1000.0, 999.0])


def both(case, function, inputs, **arguments):
    """Values only, in float64 and float32."""
    golden.gradients(case, function, inputs, backward=False, **arguments)


def kink(case, function, inputs, **arguments):
    """Values and gradients of the unweighted sum, in float64 and float32."""
    golden.gradients(case, function, inputs, ones=True, **arguments)


def unary():
    for name, function in {
            "neg": torch.neg, "abs": torch.abs, "sign": torch.sign, "exp": torch.exp, "log": torch.log,
            "log1p": torch.log1p, "expm1": torch.expm1, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt,
            "square": torch.square, "reciprocal": torch.reciprocal, "tanh": torch.tanh, "sin": torch.sin,
            "cos": torch.cos, "sigmoid": torch.sigmoid, "relu": torch.relu, "leaky_relu": F.leaky_relu,
            "elu": F.elu, "gelu": F.gelu, "silu": F.silu, "softplus": F.softplus, "softsign": F.softsign,
            "erf": torch.erf, "floor": torch.floor, "ceil": torch.ceil, "round": torch.round,
            "isnan": torch.isnan, "isfinite": torch.isfinite, "logical_not": torch.logical_not}.items():
        both(f"{name}.special", function, [SPECIAL.repeat(3)])  # in whole vectors and in the rest
    both("clamp.special", lambda x: x.clamp(-1.5, 1.5), [SPECIAL], min=-1.5, max=1.5)
    halves = numbers(-2.5, -1.5, -0.5, -0.3, 0.3, 0.5, 1.5, 2.5, 3.5, 4.49)
    for name in ("floor", "ceil", "round"):
        both(f"{name}.halves", getattr(torch, name), [halves])
    zeros = numbers(-1.0, -0.0, 0.0, 1.0, INF, NAN)
    for name, function in [("relu", torch.relu), ("abs", torch.abs), ("sign", torch.sign), ("elu", F.elu),
                           ("leaky_relu", F.leaky_relu)]:
        kink(f"{name}.kink", function, [zeros])
    kink("clamp.edges", lambda x: x.clamp(-1.0, 1.0), [numbers(-1.5, -1.0, 0.0, 1.0, 1.5, NAN)], min=-1.0, max=1.0)
    kink("sqrt.zero", torch.sqrt, [numbers(0.0, 4.0, -1.0)])
    kink("log.zero", torch.log, [numbers(0.0, 4.0)])
    kink("softplus.threshold", F.softplus, [numbers(19.5, 20.0, 20.5, -40.0)])
    kink("where_sqrt.trap", lambda x: torch.where(x > 0, x.sqrt(), torch.zeros_like(x)), [numbers(-1.0, 0.0, 4.0)])
    kink("where_sqrt.cure",
         lambda x: torch.where(x > 0, torch.where(x > 0, x, torch.ones_like(x)).sqrt(), torch.zeros_like(x)),
         [numbers(-1.0, 0.0, 4.0)])


def binary():
    a, b = SPECIAL[:, None], SPECIAL[None, :]
    for name in ("add", "sub", "mul", "div", "maximum", "minimum", "pow", "atan2",
                 "eq", "ne", "lt", "le", "gt", "ge"):
        both(f"{name}.special", getattr(torch, name), [a, b])
    for name in ("logical_and", "logical_or"):
        both(f"{name}.special", getattr(torch, name), [a, b])
    for name in ("maximum", "minimum"):
        kink(f"{name}.ties", getattr(torch, name), [numbers(1.0, 2.0, 0.0, NAN, 3.0),
                                                    numbers(1.0, 1.0, -0.0, 1.0, NAN)])
    for exponent in (0.0, 1.0, 2.0):
        kink(f"pow.zero_base_exponent_{exponent:g}", lambda x: x.pow(exponent), [numbers(0.0, -2.0, 3.0)],
             scalar_right=exponent)
    kink("pow.corners", torch.pow, [numbers(0.0, 0.0, 0.0, 1.0, -2.0, -2.0), numbers(0.0, 1.0, 2.0, 0.0, 3.0, 2.0)])
    both("pow.negative_base", torch.pow, [numbers(-2.0, -2.0, -8.0), numbers(0.5, -3.0, 1 / 3)])
    mask = torch.tensor([True, False, True])
    kink("where.nan_not_chosen", torch.where, [mask, numbers(1.0, NAN, 3.0), numbers(NAN, 2.0, INF)])
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        function = getattr(torch, name)
        golden.values(f"{name}.int64", function, [torch.tensor([[1], [2], [-3]]), torch.tensor([1, 2, 2**62])])
        golden.values(f"{name}.bool", function, [torch.tensor([True, False]), torch.tensor([[True], [False]])])
        golden.values(f"{name}.scalar", lambda x: function(x, 2.0), [numbers(1.0, 2.0, 3.0, NAN)], scalar_right=2.0)
    for name in ("logical_and", "logical_or"):
        function = getattr(torch, name)
        golden.values(f"{name}.int64", function, [torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, -1, 5])])
        golden.values(f"{name}.bool", function, [torch.tensor([True, False]), torch.tensor([[True], [False]])])
    golden.values("logical_not.int64", torch.logical_not, [torch.tensor([0, 1, -7])])


def reductions():
    empty, one = torch.zeros(0, dtype=torch.float64), numbers(3.0)
    matrix = torch.zeros(0, 3, dtype=torch.float64)
    for name in ("sum", "mean", "prod", "var", "std", "norm"):
        both(f"{name}.empty", getattr(torch, name), [empty])
        both(f"{name}.one", getattr(torch, name), [one])
        kink(f"{name}.nan", getattr(torch, name), [numbers(1.0, NAN, 2.0)])
    for name in ("sum", "mean", "var", "logsumexp"):
        function = getattr(torch, name)
        both(f"{name}.empty_rows", lambda x: function(x, dim=[0]), [matrix], dim=[0])
        both(f"{name}.no_columns", lambda x: function(x, dim=[1]), [matrix], dim=[1])
    for name in ("any", "all"):
        function = getattr(torch, name)
        flags = torch.tensor([[True, False, True], [True, True, True], [False, False, False]])
        golden.values(f"{name}.bool", function, [flags])
        golden.values(f"{name}.empty", function, [flags[:0, 0].clone()])
        golden.values(f"{name}.dim", lambda x: function(x, 1), [flags], dim=1)
        golden.values(f"{name}.dim_keep", lambda x: function(x, 0, True), [flags], dim=0, keepdim=True)
        golden.values(f"{name}.int64", function, [torch.tensor([0, 0, 3])])
        both(f"{name}.nan", function, [numbers(0.0, NAN)])
    for name in ("max", "min", "argmax", "argmin"):
        function = getattr(torch, name)
        grid = numbers([1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0], [NAN, 5.0, NAN, -1.0], [-INF, -INF, INF, INF])
        both(f"{name}.ties_dim1", lambda x: function(x, 1), [grid], dim=1)
        both(f"{name}.ties_dim0", lambda x: function(x, 0), [grid], dim=0)
        both(f"{name}.keep", lambda x: function(x, 1, keepdim=True), [grid], dim=1, keepdim=True)
        both(f"{name}.nan", function, [numbers(1.0, NAN, 5.0)])
        both(f"{name}.ties", function, [numbers([1.0, 3.0], [3.0, 1.0])])
        golden.values(f"{name}.int64", lambda x: function(x, 0), [torch.tensor([[5, -3], [2**40, -3], [0, 7]])],
                      dim=0)
        golden.error(f"{name}.empty", function, [empty])
        golden.error(f"{name}.empty_dim", lambda x: function(x, 0), [matrix], dim=0)
        both(f"{name}.no_rows_left", lambda x: function(x, 1), [matrix], dim=1)
    for name in ("max", "min"):
        function = getattr(torch, name)
        tied = numbers([1.0, 3.0, 3.0], [3.0, 1.0, 1.0])
        kink(f"{name}.tie_gradient", function, [tied])
        kink(f"{name}.tie_gradient_dim", lambda x: function(x, 1), [tied], dim=1)
    for name, function in [("prod.one_zero", torch.prod), ("prod.two_zeros", torch.prod)]:
        kink(name, function, [numbers(2.0, 0.0, -3.0) if "one" in name else numbers(0.0, 5.0, 0.0)])
    kink("prod.zeros_dim", lambda x: x.prod(1), [numbers([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0])], dim=1)
    for p in (1.0, 2.0, 3.0, INF):
        kink(f"norm.zero_p{p:g}", lambda x: torch.norm(x, p), [numbers(0.0, 0.0)], p=p)
        kink(f"norm.zero_row_p{p:g}", lambda x: torch.norm(x, p, 1), [numbers([0.0, 0.0], [3.0, 4.0])], p=p,
             dim=[1])
    kink("norm.inf_ties", lambda x: torch.norm(x, INF), [numbers(3.0, -3.0, 1.0)], p=INF)
    both("norm.p0", lambda x: torch.norm(x, 0.0), [numbers(3.0, 0.0, -1.0)], p=0.0)
    kink("std.constant", torch.std, [numbers(2.0, 2.0, 2.0)])
    both("std.large_offset", torch.std, [numbers(4096.0, 4096.5, 4097.0, 4095.25)])
    for name in ("softmax", "log_softmax", "logsumexp"):
        function = getattr(torch, name)
        both(f"{name}.special", lambda x: function(x, 1), [ROWS], dim=[1] if name == "logsumexp" else 1)
        kink(f"{name}.masked", lambda x: function(x, 1), [numbers([-INF, 0.0, 1.0], [2.0, -INF, -INF])],
             dim=[1] if name == "logsumexp" else 1)
    both("softmax.empty", lambda x: x.softmax(1), [matrix], dim=1)
    both("cumsum.special", lambda x: x.cumsum(0), [numbers(1.0, INF, -INF, 2.0)], dim=0)
    both("cumsum.empty", lambda x: x.cumsum(0), [empty], dim=0)


def ordering():
    ties = numbers(1.0, 3.0, 2.0, 3.0, 1.0, 3.0, 2.0)
    long_ties = torch.arange(101, dtype=torch.float64) * 37 % 11
    mixed = numbers(1.0, NAN, 5.0, -INF, NAN, INF, -1.0)
    for name, values in [("ties", ties), ("long_ties", long_ties), ("nan", mixed)]:
        for order, descending in [("ascending", False), ("descending", True)]:
            both(f"sort.{name}_{order}", lambda x: x.sort(stable=True, dim=0, descending=descending), [values],
                 dim=0, descending=descending)
            both(f"topk_values.{name}_{order}", lambda x: x.topk(5, 0, descending).values, [values],
                 k=5, dim=0, largest=descending)
    golden.values("sort.int64", lambda x: x.sort(1), [torch.tensor([[3, -1, 2**40], [0, -5, 7]])], dim=1,
                  descending=False)
    golden.values("sort.bool", lambda x: x.sort(stable=True, dim=0), [torch.tensor([True, False, True, False])],
                  dim=0, descending=False)
    golden.values("topk.int64", lambda x: x.topk(2), [torch.tensor([[3, -1, 2**40], [0, -5, 7]])], k=2, dim=-1,
                  largest=True)
    golden.error("topk.too_many", lambda x: x.topk(8), [ties], k=8, dim=-1, largest=True)


def creation():
    for name, dtype, bounds in [("int", torch.int64, (0, 7, 1)), ("int_step", torch.int64, (2, 13, 3)),
                                ("int_down", torch.int64, (5, -4, -2)), ("none", torch.int64, (3, 3, 1))]:
        golden.values(f"arange.{name}", lambda: torch.arange(*bounds), [],
                      start=bounds[0], end=bounds[1], step=bounds[2], dtype=dtype)
    for dtype in (torch.float32, torch.float64):
        suffix = str(dtype)[6:]
        for name, bounds in [("tenths", (0.0, 1.0, 0.1)), ("thirds", (-1.0, 1.0, 1 / 3)),
                             ("down", (1.0, -1.0, -0.25)),
                             ("long", (0.5, 20.0, 0.7))]:
            golden.values(f"arange.{name}_{suffix}", lambda: torch.arange(*bounds, dtype=dtype), [],
                          start=bounds[0], end=bounds[1], step=bounds[2], dtype=dtype)
        for name, start, end, steps in [("plain", -1.0, 1.0, 7), ("one", 2.0, 5.0, 1), ("two", 2.0, 5.0, 2),
                                        ("none", 0.0, 1.0, 0), ("long", 0.0, 0.1, 37), ("down", 3.0, -7.0, 11)]:
            golden.values(f"linspace.{name}_{suffix}", lambda: torch.linspace(start, end, steps, dtype=dtype), [],
                          start=start, end=end, steps=steps, dtype=dtype)
    golden.values("eye.square", lambda: torch.eye(3), [], n=3, m=3)
    golden.values("eye.wide", lambda: torch.eye(2, 5), [], n=2, m=5)
    golden.values("one_hot.plain", lambda x: F.one_hot(x, 5), [torch.tensor([[0, 4], [2, 2]])], num_classes=5)
    golden.values("nonzero.int64", torch.nonzero, [torch.tensor([[0, 3, 0], [-1, 0, 2]])])
    golden.values("nonzero.bool", torch.nonzero, [torch.tensor([[[True, False]], [[False, False]]])])
    both("nonzero.special", torch.nonzero, [SPECIAL])
    golden.values("nonzero.none", torch.nonzero, [torch.zeros(2, 3)])


def integers():
    a, b = torch.tensor([[7, -7, 0], [2**40, 3, -1]]), torch.tensor([2, -3, 5])
    for name in ("add", "sub", "mul", "div", "maximum", "minimum"):
        golden.values(f"{name}.int64", getattr(torch, name), [a, b])
    golden.values("pow.int64", torch.pow, [torch.tensor([2, -3, 0]), torch.tensor([10, 3, 0])])
    for name in ("neg", "abs", "sign", "square", "relu", "sum", "prod", "floor", "ceil"):
        golden.values(f"{name}.int64", getattr(torch, name), [a])
    golden.values("sum.int64_dims", lambda x: x.sum([0], keepdim=True), [a], dim=[0], keepdim=True)
    golden.values("cumsum.int64", lambda x: x.cumsum(1), [a], dim=1)
    golden.values("cumsum.bool", lambda x: x.cumsum(0), [torch.tensor([True, False, True])], dim=0)
    golden.values("clamp.int64", lambda x: x.clamp(-5, 5), [a], min=-5, max=5)
    golden.values("matmul.int64", torch.matmul, [a, torch.tensor([[1, 2], [3, 4], [-5, 6]])])
    ids = torch.tensor([2, 0, 0])
    golden.values("index_select.int64", lambda x, i: x.index_select(1, i), [a, ids], dim=1)
    golden.values("gather.int64", lambda x, i: x.gather(1, i), [a, torch.tensor([[2, 2], [0, 1]])], dim=1)
    golden.values("gather.bool", lambda x, i: x.gather(0, i), [torch.tensor([True, False, False]), ids], dim=0)
    golden.values("scatter_add.int64", lambda x, i, s: x.scatter_add(0, i, s), [b, ids, torch.tensor([1, 10, 100])],
                  dim=0)
    golden.values("masked_select.int64", torch.masked_select, [a, a > 0])
    golden.values("masked_fill.int64", lambda x, m: x.masked_fill(m, -9), [a, a > 0], value=-9)
    golden.values("where.int64", torch.where, [a > 0, a, b])
    golden.values("flip.bool", lambda x: x.flip(0), [torch.tensor([True, False, False])], dims=[0])
    golden.values("roll.int64", lambda x: x.roll(1, 1), [a], shifts=[1], dims=[1])
    golden.values("cat.int64", lambda *x: torch.cat(x), [b, ids], dim=0)
    fractions = torch.tensor([-2.7, -0.5, 0.0, 0.5, 2.7, 1e6])
    for name, source in [("float32", fractions), ("float64", fractions.double()), ("int64", a),
                         ("bool", torch.tensor([True, False]))]:
        for target in (torch.float32, torch.float64, torch.int64, torch.bool):
            golden.values(f"to.{name}_{str(target)[6:]}", lambda x: x.to(target), [source], dtype=target)
    golden.values("to.large_int_float32", lambda x: x.to(torch.float32), [torch.tensor([2**24 + 1, 2**53 + 1])],
                  dtype=torch.float32)
    golden.values("to.nan_bool", lambda x: x.to(torch.bool), [torch.tensor([NAN, -0.0])], dtype=torch.bool)


def comparing():
    x, y = numbers(1.0, 1e-9, INF, 100.0), numbers(1.00001, 0.0, INF, 100.0005)
    for name, first, second, options in [
            ("default", x, y, {}), ("strict", x, y, {"rtol": 0.0, "atol": 0.0}),
            ("loose", x, y, {"rtol": 1e-4, "atol": 1e-6}), ("not_symmetric", numbers(10.0), numbers(11.0),
                                                            {"rtol": 0.095}),
            ("not_symmetric_swapped", numbers(11.0), numbers(10.0), {"rtol": 0.095}),
            ("nan", numbers(NAN), numbers(NAN), {}),
            ("nan_equal", numbers(NAN), numbers(NAN), {"equal_nan": True}),
            ("inf_sign", numbers(INF), numbers(-INF), {}),
            ("empty", numbers(), numbers(), {})]:
        golden.values(f"allclose.{name}", lambda a, b: torch.tensor(torch.allclose(a, b, **options)),
                      [first, second], **options)
    for name, first, second in [("same", x, x.clone()), ("different", x, y), ("shape", x, x[None]),
                                ("nan", SPECIAL, SPECIAL)]:
        golden.values(f"equal.{name}", lambda a, b: torch.tensor(torch.equal(a, b)), [first, second])


def distances_and_losses():
    zero = numbers([0.0, 0.0, 0.0], [1.0, 2.0, 2.0])
    kink("normalize.zero", F.normalize, [zero])
    kink("cosine_similarity.zero", F.cosine_similarity, [zero, numbers([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])])
    both("pairwise_distance.same", F.pairwise_distance, [zero, zero])
    kink("cdist.same", torch.cdist, [zero, zero.flip(0)])
    both("cdist.empty", torch.cdist, [torch.zeros(0, 3, dtype=torch.float64), zero])
    logits, ignored = [uniform(3, 4), torch.tensor([1, 1, 1])], {"ignore_index": 1}
    for reduction in ("none", "mean", "sum"):
        kink(f"cross_entropy.all_ignored_{reduction}", lambda x,
             t: F.cross_entropy(x, t, reduction=reduction, **ignored),
             logits, reduction=reduction, **ignored)
        both(f"cross_entropy.no_rows_{reduction}", lambda x, t: F.cross_entropy(x, t, reduction=reduction),
             [torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.int64)], reduction=reduction)
    extreme = numbers([1e30, 0.0, -1e30], [1000.0, -1000.0, 0.0])
    kink("cross_entropy.extreme", F.cross_entropy, [extreme, torch.tensor([0, 1])])
    kink("cross_entropy.masked", F.cross_entropy, [numbers([0.0, -INF, 1.0]), torch.tensor([0])])
    kink("bce_with_logits.extreme", F.binary_cross_entropy_with_logits,
         [numbers(-1e30, -100.0, 0.0, 100.0, 1e30), numbers(0.0, 1.0, 0.5, 0.0, 1.0)], constant=(1,))
    golden.error("cross_entropy.out_of_range", F.cross_entropy, [uniform(2, 3), torch.tensor([0, 3])])
    both("mse_loss.empty", F.mse_loss, [numbers(), numbers()])
    both("matmul.special", torch.matmul, [numbers([INF, 0.0], [NAN, 1.0], [1.0, 2.0]),
                                          numbers([0.0, 1.0], [1.0, 1.0])])
    for name, sizes in [("0x4", ((3, 0), (0, 4))), ("batch_0", ((0, 2, 3), (3, 4))), ("dot_0", ((0,), (0,)))]:
        both(f"matmul.empty_{name}", torch.matmul, [uniform(*size) for size in sizes])
    both("max.last", lambda x: x.max(-1), [distinct(2, 3, 33)], dim=-1)


if __name__ == "__main__":
    for family in (unary, binary, reductions, ordering, creation, integers, comparing, distances_and_losses):
        family()
    golden.write("values.safetensors")
