"""Makes compositions.safetensors: operations that the library composes of others."""

import torch
import torch.nn.functional as F

from common import Golden, away, distinct, uniform

golden = Golden()
case = golden.gradients
INF, NAN = float("inf"), float("nan")


def activations():
    functions = {"relu6": F.relu6, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish, "selu": F.selu,
                 "mish": F.mish, "logsigmoid": F.logsigmoid, "celu": F.celu, "hardtanh": F.hardtanh,
                 "softshrink": F.softshrink, "hardshrink": F.hardshrink}
    for name, function in functions.items():
        case(f"{name}.small", function, [away(3, 7)])
        case(f"{name}.range", function, [uniform(41, low=-9, high=9)])
        case(f"{name}.zero_dims", function, [away()])
        case(f"{name}.empty", function, [away(0, 3)])
    # Where the derivative jumps. (PyTorch 1.13's hardswish has another derivative at -3 and 3 than later versions.)
    kinks = torch.tensor([-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0], dtype=torch.float64)
    for name in ("relu6", "hardsigmoid", "celu", "hardtanh", "softshrink", "hardshrink"):
        case(f"{name}.kinks", functions[name], [kinks])
    special = torch.tensor([INF, -INF, NAN, 0.0, 1e30, -1e30], dtype=torch.float64)
    for name in ("relu6", "hardsigmoid", "selu", "celu", "hardtanh", "logsigmoid"):
        golden.values(f"{name}.special", functions[name], [special])
    case("celu.alpha", lambda x: F.celu(x, 0.7), [away(3, 7)], alpha=0.7)
    case("hardtanh.bounds", lambda x: F.hardtanh(x, -0.7, 1.1), [away(3, 7)], min_val=-0.7, max_val=1.1)
    case("softshrink.lambd", lambda x: F.softshrink(x, 0.9), [away(3, 7)], lambd=0.9)
    case("hardshrink.lambd", lambda x: F.hardshrink(x, 0.9), [away(3, 7)], lambd=0.9)
    case("threshold.plain", lambda x: F.threshold(x, 0.4, -1.5), [uniform(3, 7)], threshold=0.4, value=-1.5)
    case("softplus.beta", lambda x: F.softplus(x, 2.5), [uniform(3, 7, low=-9, high=9)], beta=2.5, threshold=20.0)
    case("softplus.threshold", lambda x: F.softplus(x, 1.0, 30.0), [uniform(41, low=-40, high=40)], beta=1.0,
         threshold=30.0)
    for variant, x, weight in [("one", (3, 7), (1,)), ("channels", (2, 3, 4), (3,)), ("rows", (4, 3), (3,)),
                               ("vector", (5,), (1,)), ("empty", (0, 3), (3,))]:
        case(f"prelu.{variant}", F.prelu, [away(*x), uniform(*weight)])
    golden.error("prelu.other_channels", F.prelu, [away(2, 3), uniform(2)])
    case("glu.last", F.glu, [uniform(3, 8)])
    case("glu.dim0", lambda x: F.glu(x, 0), [uniform(6, 5)], dim=0)
    golden.error("glu.odd", F.glu, [uniform(3, 7)])
    case("softmin.dim_1", lambda x: F.softmin(x, 1), [uniform(3, 4, 5)], dim=1)


def elementwise():
    for variant, a, b in [("same", (3, 7), (3, 7)), ("row", (3, 7), (7,)), ("both", (4, 1, 3), (5, 1)),
                          ("zero_dims", (), ()), ("empty", (0, 3), (3,))]:
        case(f"logaddexp.{variant}", torch.logaddexp, [uniform(*a), uniform(*b)])
        case(f"lerp.{variant}", lambda a, b: torch.lerp(a, b, 0.3), [uniform(*a), uniform(*b)], weight=0.3)
    case("logaddexp.far", torch.logaddexp, [uniform(41, low=-900, high=900), uniform(41, low=-900, high=900)])
    special = torch.tensor([INF, -INF, NAN, 0.0], dtype=torch.float64)
    golden.values("logaddexp.special", torch.logaddexp, [special.reshape(4, 1), special])
    case("lerp.end", lambda a, b: torch.lerp(a, b, 1.0), [uniform(3, 7), uniform(3, 7)], weight=1.0)
    case("lerp.outside", lambda a, b: torch.lerp(a, b, -1.7), [uniform(3, 7), uniform(3, 7)], weight=-1.7)
    case("lerp_each.same", torch.lerp, [uniform(3, 7), uniform(3, 7), uniform(3, 7)])
    case("lerp_each.row", torch.lerp, [uniform(3, 7), uniform(3, 7), uniform(7)])
    case("clamp_each.both", torch.clamp, [uniform(3, 7), uniform(3, 7, low=-1.5, high=-0.2), uniform(7, low=0.2, high=1.5)])
    case("clamp_each.crossed", torch.clamp, [uniform(3, 7), uniform(3, 7), uniform(3, 7)])
    case("clamp_each.min", lambda x, low: torch.clamp(x, min=low), [uniform(3, 7), uniform(7)])


def reductions():
    for correction in (0, 1, 2, 5):
        case(f"var_correction.by_{correction}", lambda x: torch.var(x, 1, correction=correction), [uniform(3, 7)],
             dim=[1], correction=correction)
        case(f"std_correction.by_{correction}", lambda x: torch.std(x, (0, 2), correction=correction, keepdim=True),
             [uniform(3, 4, 5)], dim=[0, 2], correction=correction, keepdim=True)
    for dim in (0, 1, -1):
        name = str(dim).replace("-1", "last")
        case(f"cumprod.dim_{name}", lambda x: x.cumprod(dim), [away(3, 4, 5)], dim=dim)
    zeros = torch.tensor([[1.5, 0.0, 2.0, 0.0, 3.0], [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0, 0.0]],
                         dtype=torch.float64)
    case("cumprod.zeros", lambda x: x.cumprod(1), [zeros], dim=1)
    golden.values("cumprod.integers", lambda x: x.cumprod(0), [torch.tensor([1, -2, 3, 4])], dim=0)
    ties = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, 0.0, -1.0]], dtype=torch.float64)
    for name in ("amax", "amin"):
        function = getattr(torch, name)
        case(f"{name}.all", function, [distinct(3, 7)])
        case(f"{name}.dim", lambda x: function(x, 1), [distinct(3, 4, 5)], dim=[1])
        case(f"{name}.dims_keep", lambda x: function(x, (0, 2), True), [distinct(3, 4, 5)], dim=[0, 2], keepdim=True)
        case(f"{name}.ties", lambda x: function(x, 1), [ties], dim=[1])
        case(f"{name}.all_ties", function, [ties])
        golden.values(f"{name}.nan", lambda x: function(x, 1),
                      [torch.tensor([[1.0, NAN, 2.0], [INF, 1.0, -INF]], dtype=torch.float64)], dim=[1])
    case("median.all_odd", torch.median, [distinct(3, 7)])
    case("median.all_even", torch.median, [distinct(4, 4)])
    case("median.dim", lambda x: torch.median(x, 1), [distinct(3, 6, 5)], dim=1)
    case("median.keep", lambda x: torch.median(x, 0, True), [distinct(5, 4)], dim=0, keepdim=True)
    golden.values("median.nan", lambda x: torch.median(x, 1)[0],
                  [torch.tensor([[1.0, NAN, 2.0], [INF, 1.0, -INF]], dtype=torch.float64)], dim=1, first=True)


EQUATIONS = [
    ("ij,jk->ik", [(3, 4), (4, 5)]), ("ij,jk", [(3, 4), (4, 5)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
    ("ij->ji", [(3, 4)]), ("ij->", [(3, 4)]), ("ij->i", [(3, 4)]), ("ii->i", [(4, 4)]), ("ii", [(4, 4)]),
    ("i,j->ij", [(3,), (4,)]), ("i,i->", [(5,), (5,)]), ("i,i->i", [(5,), (5,)]), ("ij,ij->i", [(3, 4), (3, 4)]),
    ("bn,anm,bm->ba", [(2, 3), (4, 3, 5), (2, 5)]), ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]),
    ("...ij,jk", [(6, 2, 3, 4), (4, 5)]), ("b...i->b...", [(2, 3, 4)]), ("bhid,bhjd->bhij", [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ("ijj->ji", [(2, 3, 3)]), ("iji->j", [(3, 2, 3)]), ("ij,kl->", [(2, 3), (4, 5)]), ("ca,b->abc", [(2, 3), (4,)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]), (" i j , j -> i ", [(3, 4), (4,)]), ("ij,ij->ij", [(3, 1), (3, 4)]),
    ("ij,jk->ik", [(0, 4), (4, 5)]), ("ij,jk->ik", [(3, 0), (0, 5)]), ("i,->i", [(3,), ()]), ("...,...", [(2, 3), (3,)]),
]


def products():
    for k, (equation, shapes) in enumerate(EQUATIONS):
        case(f"einsum.call_{k}", lambda *x: torch.einsum(equation, *x), [uniform(*shape) for shape in shapes], call=k)


def rearrangements():
    case("repeat_interleave.plain", lambda x: x.repeat_interleave(3), [uniform(2, 3)], repeats=3)
    case("repeat_interleave.dim", lambda x: x.repeat_interleave(2, 1), [uniform(2, 3)], repeats=2, dim=1)
    case("repeat_interleave.counts", lambda x, n: x.repeat_interleave(n, 0), [uniform(3, 2), torch.tensor([2, 0, 3])],
         dim=0)
    golden.error("repeat_interleave.negative", lambda x, n: x.repeat_interleave(n, 0),
                 [uniform(3, 2), torch.tensor([2, -1, 3])], dim=0)
    case("meshgrid.ij", lambda *x: torch.meshgrid(*x, indexing="ij"), [uniform(3), uniform(4), uniform(2)])
    case("meshgrid.xy", lambda *x: torch.meshgrid(*x, indexing="xy"), [uniform(3), uniform(4), uniform(2)], xy=True)
    for diagonal in (0, 1, -2, 5):
        name = str(diagonal).replace("-", "minus_")
        case(f"diag.vector_{name}", lambda x: torch.diag(x, diagonal), [uniform(3)], diagonal=diagonal)
        if diagonal != 5:  # PyTorch 1.13 has an overflow there
            case(f"diag.matrix_{name}", lambda x: torch.diag(x, diagonal), [uniform(3, 4)], diagonal=diagonal)
    for mode in ("reflect", "replicate", "circular"):
        case(f"pad.{mode}_1d", lambda x: F.pad(x, (2, 3), mode), [uniform(2, 3, 4)], padding=[2, 3], padding_mode=mode)
        case(f"pad.{mode}_2d", lambda x: F.pad(x, (1, 2, 2, 0), mode), [uniform(2, 3, 3, 4)], padding=[1, 2, 2, 0],
             padding_mode=mode)
    case("pad.zeros", lambda x: F.pad(x, (1, 2)), [uniform(3, 4)], padding=[1, 2], padding_mode="zeros")
    case("pad.all_dims", lambda x: F.pad(x, (0, 1, 2, 3), value=7.5), [uniform(3, 4)], padding=[0, 1, 2, 3], value=7.5,
         padding_mode="zeros")
    case("pad.removes", lambda x: F.pad(x, (-1, 2, 1, -2)), [uniform(3, 4)], padding=[-1, 2, 1, -2],
         padding_mode="zeros")
    golden.values("pad.integers", lambda x: F.pad(x, (1, 1), value=3), [torch.tensor([1, 2])], padding=[1, 1], value=3,
                  padding_mode="zeros")
    golden.error("pad.reflect_too_far", lambda x: F.pad(x, (4, 0), "reflect"), [uniform(2, 3, 4)], padding=[4, 0],
                 padding_mode="reflect")
    golden.error("pad.odd", lambda x: F.pad(x, (1, 2, 3)), [uniform(3, 4)], padding=[1, 2, 3], padding_mode="zeros")
    index = torch.tensor([[0, 2], [1, 1]])
    case("scatter_value.plain", lambda x, i: x.scatter(1, i, 2.5), [uniform(3, 4), index], dim=1, value=2.5)


def counts():
    whole = torch.tensor([[3, 1, 3], [-2, 1, 3]])
    golden.values("unique.integers", lambda x: torch.unique(x, return_inverse=True, return_counts=True), [whole])
    golden.values("unique.floats", lambda x: torch.unique(x, return_inverse=True, return_counts=True),
                  [torch.tensor([0.5, -0.0, 0.0, 2.0, 0.5])])
    ids = torch.tensor([1, 3, 1, 0])
    golden.values("bincount.plain", torch.bincount, [ids])
    golden.values("bincount.minlength", lambda x: torch.bincount(x, minlength=6), [ids], minlength=6)
    golden.values("bincount.weights", torch.bincount, [ids, torch.tensor([0.5, 1.0, 2.0, -1.0], dtype=torch.float64)])
    golden.values("bincount.integer_weights", torch.bincount, [ids, torch.tensor([1, 2, 3, 4])])
    golden.error("bincount.negative", torch.bincount, [torch.tensor([1, -1])])


if __name__ == "__main__":
    for family in (activations, elementwise, reductions, products, rearrangements, counts):
        family()
    golden.write("compositions.safetensors")
