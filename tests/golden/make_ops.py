"""Makes ops.safetensors: values and gradients of every differentiable operation."""

import torch
import torch.nn.functional as F

from common import Golden, away, distinct, uniform

golden = Golden()
case = golden.gradients


def elementwise():
    for name, function in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div),
                           ("maximum", torch.maximum), ("minimum", torch.minimum)]:
        for variant, a, b in [("same", (3, 7), (3, 7)), ("long", (37,), (37,)), ("row", (3, 7), (7,)),
                              ("column", (3, 7), (3, 1)), ("scalar_tensor", (), (5,)),
                              ("both", (4, 1, 3), (5, 1)), ("empty", (0, 3), (3,))]:
            case(f"{name}.{variant}", function, [away(*a), away(*b)])
    for variant, a, b in [("same", (3, 7), (3, 7)), ("row", (3, 5), (5,)), ("outer", (3, 1), (1, 5))]:
        case(f"pow.{variant}", torch.pow, [uniform(*a, low=0.3, high=3.0), uniform(*b)])
    for exponent in (2.0, 3.0, 0.5, -1.0, 2.5, 0.0, 1.0):
        low = -2.0 if exponent in (2.0, 3.0) else 0.3
        case(f"pow.exponent_{exponent:g}".replace(".5", "_5").replace("-", "minus_"),
             lambda x: torch.pow(x, exponent), [uniform(3, 7, low=low)], scalar_right=exponent)
    case("pow.base_2", lambda x: torch.pow(2.0, x), [uniform(3, 7)], scalar_left=2.0)
    case("add.scalar", lambda x: x + 2.5, [uniform(3, 7)], scalar_right=2.5)
    case("mul.scalar", lambda x: x * -1.5, [uniform(3, 7)], scalar_right=-1.5)
    case("sub.scalar", lambda x: x - 0.75, [uniform(3, 7)], scalar_right=0.75)
    case("div.scalar", lambda x: x / 3.0, [uniform(3, 7)], scalar_right=3.0)
    case("sub.scalar_left", lambda x: 0.75 - x, [uniform(3, 7)], scalar_left=0.75)
    case("div.scalar_left", lambda x: 2.0 / x, [away(3, 7)], scalar_left=2.0)
    case("atan2.same", torch.atan2, [away(3, 7), away(3, 7)])
    chosen = torch.arange(21).reshape(3, 7) % 3 == 0
    case("where.same", torch.where, [chosen, uniform(3, 7), uniform(3, 7)])
    case("where.broadcast", torch.where, [chosen[:, :1].clone(), uniform(7), uniform(3, 7)])

    unary = {"neg": torch.neg, "exp": torch.exp, "expm1": torch.expm1, "square": torch.square,
             "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
             "silu": F.silu, "softplus": F.softplus, "softsign": F.softsign, "erf": torch.erf}
    for name, function in unary.items():
        case(f"{name}.small", function, [uniform(3, 7)])
    for name, function in [("abs", torch.abs), ("sign", torch.sign), ("reciprocal", torch.reciprocal),
                           ("relu", torch.relu), ("floor", torch.floor), ("ceil", torch.ceil),
                           ("round", torch.round), ("elu", F.elu), ("leaky_relu", F.leaky_relu)]:
        case(f"{name}.small", function, [away(3, 7)])
    for name, function in [("log", torch.log), ("sqrt", torch.sqrt), ("rsqrt", torch.rsqrt),
                           ("log1p", torch.log1p)]:
        case(f"{name}.small", function, [uniform(3, 7, low=0.1, high=3.0)])
    # Far from zero, a polynomial that is accurate near zero is wrong.
    ranges = {"exp": (-80, 80), "expm1": (-20, 40), "sin": (-60, 60), "cos": (-60, 60), "tanh": (-15, 15),
              "sigmoid": (-40, 40), "silu": (-40, 40), "softplus": (-40, 40), "erf": (-5, 5),
              "softsign": (-1000, 1000)}
    functions = dict(unary)
    for name, (low, high) in ranges.items():
        case(f"{name}.range", functions[name], [uniform(41, low=low, high=high)])
    wide = torch.logspace(-30, 30, 41, dtype=torch.float64).float().double()
    for name, function in [("log", torch.log), ("sqrt", torch.sqrt)]:
        case(f"{name}.range", function, [wide])
    case("log1p.range", torch.log1p, [torch.logspace(-12, 12, 41, dtype=torch.float64).float().double()])
    case("leaky_relu.slope", lambda x: F.leaky_relu(x, 0.3), [away(3, 7)], negative_slope=0.3)
    case("elu.alpha", lambda x: F.elu(x, 0.7), [away(3, 7)], alpha=0.7)
    for kind in ("none", "tanh"):
        case(f"gelu.{kind}", lambda x: F.gelu(x, approximate=kind), [uniform(3, 7)], approximate=kind)
        case(f"gelu.{kind}_range", lambda x: F.gelu(x, approximate=kind),
             [uniform(41, low=-8, high=8)], approximate=kind)
    case("softplus.options", lambda x: F.softplus(x, 2.0, 3.0), [away(3, 7, high=4.0)], beta=2.0, threshold=3.0)
    case("clamp.both", lambda x: x.clamp(-0.7, 0.9), [uniform(3, 7)], min=-0.7, max=0.9)
    case("clamp.min", lambda x: x.clamp(min=0.1), [uniform(3, 7)], min=0.1)
    case("clamp.max", lambda x: x.clamp(max=0.1), [uniform(3, 7)], max=0.1)


def reductions():
    for name in ("sum", "mean", "var", "std", "norm", "logsumexp"):
        function = getattr(torch, name)
        for variant, dims, keepdim in [("all", None, False), ("dim0", [0], False), ("last", [-1], False),
                                       ("middle_keep", [1], True), ("dims_0_2", [0, 2], False),
                                       ("dims_keep", [0, 2], True), ("dims_all", [0, 1, 2], False)]:
            if dims is not None:
                call = ((lambda x: torch.norm(x, 2, dims, keepdim)) if name == "norm"
                        else lambda x: function(x, dim=dims, keepdim=keepdim))
                case(f"{name}.{variant}", call, [uniform(3, 4, 5)], dim=dims, keepdim=keepdim)
            elif name != "logsumexp":
                case(f"{name}.{variant}", function, [uniform(3, 4, 5)])
    for name, function in [("var", torch.var), ("std", torch.std)]:
        case(f"{name}.biased", lambda x: function(x, unbiased=False), [uniform(3, 5)], unbiased=False)
        case(f"{name}.biased_dim", lambda x: function(x, dim=[1], unbiased=False, keepdim=True),
             [uniform(3, 5)], dim=[1], unbiased=False, keepdim=True)
    for name, p in [("1", 1.0), ("3", 3.0), ("half", 0.5), ("inf", float("inf")), ("minus_inf", float("-inf"))]:
        case(f"norm.p_{name}", lambda x: torch.norm(x, p), [distinct(3, 5)], p=p)
        case(f"norm.p_{name}_dim", lambda x: torch.norm(x, p, 1, True), [distinct(3, 5)], p=p, dim=[1],
             keepdim=True)
    for name in ("max", "min"):
        function = getattr(torch, name)
        case(f"{name}.all", function, [distinct(3, 7)])
        case(f"{name}.dim0", lambda x: function(x, 0), [distinct(3, 7)], dim=0)
        case(f"{name}.last_keep", lambda x: function(x, -1, True), [distinct(3, 4, 5)], dim=-1, keepdim=True)
    case("prod.all", torch.prod, [away(2, 5)])
    case("prod.dim", lambda x: x.prod(1), [away(3, 5)], dim=1)
    case("prod.dim_keep", lambda x: x.prod(0, keepdim=True), [away(3, 5)], dim=0, keepdim=True)
    for dim in (0, 1, -1):
        name = str(dim).replace("-1", "last")
        case(f"cumsum.dim_{name}", lambda x: x.cumsum(dim), [uniform(3, 4, 5)], dim=dim)
        case(f"softmax.dim_{name}", lambda x: x.softmax(dim), [uniform(3, 4, 5)], dim=dim)
        case(f"log_softmax.dim_{name}", lambda x: x.log_softmax(dim), [uniform(3, 4, 5)], dim=dim)
    for name in ("softmax", "log_softmax"):
        function = getattr(torch, name)
        case(f"{name}.long", lambda x: function(x, 1), [uniform(2, 37, low=-20, high=20)], dim=1)
        case(f"{name}.vector", lambda x: function(x, 0), [uniform(7)], dim=0)


def linear_algebra():
    for variant, a, b in [("1d_1d", (5,), (5,)), ("2d_1d", (3, 5), (5,)), ("1d_2d", (5,), (5, 3)),
                          ("2d_2d", (3, 5), (5, 7)), ("odd", (13, 17), (17, 19)), ("3d_3d", (2, 3, 5), (2, 5, 4)),
                          ("3d_2d", (2, 3, 5), (5, 4)), ("2d_3d", (3, 5), (2, 5, 4)),
                          ("1d_3d", (5,), (2, 5, 3)), ("3d_1d", (2, 3, 5), (5,)),
                          ("broadcast", (2, 1, 3, 4), (5, 4, 3)), ("broadcast_1", (1, 3, 4), (5, 4, 2)),
                          ("inner_1", (3, 1), (1, 4)), ("inner_0", (3, 0), (0, 4)), ("rows_0", (0, 3), (3, 4))]:
        case(f"matmul.{variant}", torch.matmul, [uniform(*a), uniform(*b)])
    case("matmul.transposed", lambda a, b: torch.matmul(a.t(), b.t()), [uniform(5, 3), uniform(7, 5)])
    case("mm.plain", torch.mm, [uniform(3, 5), uniform(5, 2)])
    case("bmm.plain", torch.bmm, [uniform(3, 2, 5), uniform(3, 5, 4)])
    case("mv.plain", torch.mv, [uniform(3, 5), uniform(5)])
    case("dot.plain", torch.dot, [uniform(7), uniform(7)])
    case("outer.plain", torch.outer, [uniform(3), uniform(5)])
    case("addmm.plain", torch.addmm, [uniform(3, 4), uniform(3, 5), uniform(5, 4)])
    case("addmm.broadcast", torch.addmm, [uniform(4), uniform(3, 5), uniform(5, 4)])
    case("addmm.scaled", lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=-2.0),
         [uniform(3, 4), uniform(3, 5), uniform(5, 4)], beta=0.5, alpha=-2.0)
    case("linear.bias", F.linear, [uniform(4, 3), uniform(5, 3), uniform(5)])
    case("linear.no_bias", F.linear, [uniform(2, 4, 3), uniform(5, 3)])
    case("linear.vector", F.linear, [uniform(3), uniform(5, 3), uniform(5)])


def shapes():
    case("reshape.plain", lambda x: x.reshape(5, 6), [uniform(2, 3, 5)], shape=[5, 6])
    case("reshape.infer", lambda x: x.reshape(3, -1), [uniform(2, 3, 5)], shape=[3, -1])
    case("reshape.scalar", lambda x: x.reshape([]), [uniform(1, 1)], shape=[])
    case("view.plain", lambda x: x.view(6, 5), [uniform(2, 3, 5)], shape=[6, 5])
    case("flatten.all", torch.flatten, [uniform(2, 3, 5)])
    case("flatten.some", lambda x: x.flatten(1, 2), [uniform(2, 3, 5)], start_dim=1, end_dim=2)
    case("unflatten.plain", lambda x: x.unflatten(1, (2, 3)), [uniform(2, 6)], dim=1, shape=[2, 3])
    case("squeeze.all", torch.squeeze, [uniform(1, 3, 1)])
    case("squeeze.dim", lambda x: x.squeeze(0), [uniform(1, 3, 1)], dim=0)
    case("squeeze.dim_not_one", lambda x: x.squeeze(1), [uniform(1, 3, 1)], dim=1)
    case("unsqueeze.front", lambda x: x.unsqueeze(0), [uniform(3, 5)], dim=0)
    case("unsqueeze.back", lambda x: x.unsqueeze(-1), [uniform(3, 5)], dim=-1)
    case("permute.plain", lambda x: x.permute(2, 0, 1), [uniform(2, 3, 5)], dims=[2, 0, 1])
    case("permute.negative", lambda x: x.permute(-1, 1, 0), [uniform(2, 3, 5)], dims=[-1, 1, 0])
    case("transpose.plain", lambda x: x.transpose(0, -1), [uniform(2, 3, 5)], dim0=0, dim1=-1)
    case("expand.plain", lambda x: x.expand(4, 3, 5), [uniform(3, 1)], shape=[4, 3, 5])
    case("expand.keep", lambda x: x.expand(-1, 5), [uniform(3, 1)], shape=[-1, 5])
    case("broadcast_to.plain", lambda x: x.broadcast_to(2, 3, 5), [uniform(5)], shape=[2, 3, 5])
    case("contiguous.transposed", lambda x: x.t().contiguous(), [uniform(3, 5)])
    case("stack.front", lambda *x: torch.stack(x), [uniform(3, 5)] * 3, dim=0)
    case("stack.back", lambda *x: torch.stack(x, -1), [uniform(3, 5)] * 2, dim=-1)
    case("cat.rows", lambda *x: torch.cat(x), [uniform(2, 5), uniform(1, 5), uniform(3, 5)], dim=0)
    case("cat.columns", lambda *x: torch.cat(x, -1), [uniform(3, 2), uniform(3, 5)], dim=-1)
    case("cat.empty", lambda *x: torch.cat(x, 0), [uniform(2, 3), uniform(0, 3)], dim=0)
    case("split.size", lambda x: x.split(2, 1), [uniform(3, 5)], split_size=2, dim=1)
    case("split.sizes", lambda x: x.split([1, 4, 2], 0), [uniform(7, 2)], split_sizes=[1, 4, 2], dim=0)
    case("chunk.uneven", lambda x: x.chunk(3, 0), [uniform(7, 2)], chunks=3, dim=0)
    case("chunk.fewer", lambda x: x.chunk(4, 1), [uniform(2, 6)], chunks=4, dim=1)
    case("unbind.middle", lambda x: x.unbind(1), [uniform(2, 3, 5)], dim=1)
    case("repeat.plain", lambda x: x.repeat(2, 3), [uniform(3, 2)], repeats=[2, 3])
    case("repeat.more_dims", lambda x: x.repeat(2, 1, 3), [uniform(3, 2)], repeats=[2, 1, 3])
    case("tile.plain", lambda x: x.tile(3), [uniform(3, 2)], repeats=[3])
    case("tile.more_dims", lambda x: x.tile(2, 2, 1), [uniform(3, 2)], repeats=[2, 2, 1])
    case("flip.one", lambda x: x.flip(1), [uniform(3, 5)], dims=[1])
    case("flip.two", lambda x: x.flip(0, -1), [uniform(2, 3, 5)], dims=[0, -1])
    case("roll.flat", lambda x: x.roll(2), [uniform(3, 5)], shifts=[2])
    case("roll.one", lambda x: x.roll(-1, 1), [uniform(3, 5)], shifts=[-1], dims=[1])
    case("roll.two", lambda x: x.roll((2, 7), (0, 1)), [uniform(3, 5)], shifts=[2, 7], dims=[0, 1])


def indexing():
    case("select.row", lambda x: x.select(0, 1), [uniform(3, 5)], dim=0, index=1)
    case("select.negative", lambda x: x.select(-1, -2), [uniform(2, 3, 5)], dim=-1, index=-2)
    case("narrow.plain", lambda x: x.narrow(1, 1, 3), [uniform(3, 5)], dim=1, start=1, length=3)
    case("narrow.none", lambda x: x.narrow(0, 1, 0), [uniform(3, 5)], dim=0, start=1, length=0)
    for variant, start, end, step in [("plain", 1, 4, 1), ("step", 0, 7, 3), ("negative", -4, -1, 2),
                                      ("past_end", 5, 100, 1), ("empty", 4, 2, 1)]:
        case(f"slice.{variant}", lambda x: x[start:end:step], [uniform(7, 2)], dim=0, start=start, end=end,
             step=step)
    case("slice.columns", lambda x: x[:, 1:6:2], [uniform(3, 7)], dim=1, start=1, end=6, step=2)
    rows = torch.tensor([2, 0, 2, 1, 2])
    case("index_select.rows", lambda x, i: x.index_select(0, i), [uniform(3, 4), rows], dim=0)
    case("index_select.columns", lambda x, i: x.index_select(-1, i), [uniform(2, 3), rows], dim=-1)
    grid = torch.tensor([[0, 1, 1, 0], [2, 2, 2, 1]])
    case("gather.rows", lambda x, i: x.gather(0, i), [uniform(3, 5), grid], dim=0)
    case("gather.columns", lambda x, i: x.gather(1, i), [uniform(2, 3), grid], dim=1)
    order = torch.tensor([[2, 0, 1, 3], [3, 1, 0, 2]])
    case("scatter.columns", lambda x, i, s: x.scatter(1, i, s), [uniform(2, 5), order, uniform(2, 4)], dim=1)
    case("scatter_add.columns", lambda x, i, s: x.scatter_add(1, i, s), [uniform(2, 3), grid, uniform(2, 4)], dim=1)
    case("scatter_add.rows", lambda x, i, s: x.scatter_add(0, i, s), [uniform(3, 5), grid, uniform(2, 4)], dim=0)
    case("index_add.rows", lambda x, i, s: x.index_add(0, i, s), [uniform(3, 4), rows, uniform(5, 4)], dim=0)
    case("index_add.columns", lambda x, i, s: x.index_add(1, i, s), [uniform(2, 3), rows, uniform(2, 5)], dim=1)
    case("take_along_dim.columns", lambda x, i: torch.take_along_dim(x, i, 1), [uniform(2, 3), grid], dim=1)
    case("take_along_dim.broadcast", lambda x, i: torch.take_along_dim(x, i, 0),
         [uniform(3, 4), torch.tensor([[2, 0, 1, 2]])], dim=0)
    mask = torch.tensor([[True, False, True], [False, False, True]])
    case("masked_fill.same", lambda x, m: x.masked_fill(m, -1.5), [uniform(2, 3), mask], value=-1.5)
    case("masked_fill.broadcast", lambda x, m: x.masked_fill(m, 0.0), [uniform(4, 2, 3), mask], value=0.0)
    case("masked_select.same", torch.masked_select, [uniform(2, 3), mask])
    case("masked_select.broadcast", torch.masked_select, [uniform(4, 1, 3), mask])
    ids = torch.tensor([[1, 4, 1], [0, 4, 4]])
    case("embedding.repeated", lambda w, i: F.embedding(i, w), [uniform(5, 3), ids])
    case("embedding.padding", lambda w, i: F.embedding(i, w, padding_idx=4), [uniform(5, 3), ids], padding_idx=4)
    for name, descending in (("ascending", False), ("descending", True)):
        case(f"sort.{name}", lambda x: x.sort(-1, descending), [distinct(3, 7)], dim=-1, descending=descending)
    case("sort.dim0", lambda x: x.sort(0), [distinct(5, 3)], dim=0, descending=False)
    case("topk.largest", lambda x: x.topk(3), [distinct(3, 7)], k=3, dim=-1, largest=True)
    case("topk.smallest_dim0", lambda x: x.topk(2, 0, False), [distinct(5, 3)], k=2, dim=0, largest=False)


def distances():
    case("cosine_similarity.rows", F.cosine_similarity, [uniform(3, 5), uniform(3, 5)])
    case("cosine_similarity.last", lambda a, b: F.cosine_similarity(a, b, -1),
         [uniform(2, 3, 5), uniform(2, 3, 5)], dim=-1)
    case("cosine_similarity.broadcast", lambda a, b: F.cosine_similarity(a, b, 1), [uniform(1, 5), uniform(4, 5)],
         dim=1)
    for p in (1.0, 2.0, 3.0):
        case(f"pairwise_distance.p{p:g}", lambda a, b: F.pairwise_distance(a, b, p),
             [distinct(3, 5), uniform(3, 5)], p=p)
        case(f"cdist.p{p:g}", lambda a, b: torch.cdist(a, b, p), [uniform(3, 5), uniform(4, 5)], p=p)
        case(f"normalize.p{p:g}", lambda x: F.normalize(x, p), [away(3, 5)], p=p)
    case("pairwise_distance.keep", lambda a, b: F.pairwise_distance(a, b, 2.0, keepdim=True),
         [uniform(3, 5), uniform(3, 5)], p=2.0, keepdim=True)
    case("cdist.batch", torch.cdist, [uniform(2, 3, 5), uniform(2, 4, 5)])
    case("normalize.dim0", lambda x: F.normalize(x, dim=0), [away(3, 5)], dim=0)


def losses():
    target = torch.tensor([0, 3, 2, 2, 1])
    weight = torch.tensor([0.5, 2.0, 1.25, 0.25], dtype=torch.float64)
    for reduction in ("none", "mean", "sum"):
        for name, classes, options in [("plain", None, {}), ("weight", weight, {}),
                                       ("ignore", None, {"ignore_index": 2}),
                                       ("ignore_weight", weight, {"ignore_index": 2}),
                                       ("smoothing", None, {"label_smoothing": 0.1}),
                                       ("all_options", weight, {"ignore_index": 2, "label_smoothing": 0.2})]:
            inputs = [uniform(5, 4), target] + ([] if classes is None else [classes])
            case(f"cross_entropy.{name}_{reduction}",
                 lambda x, t, w=None: F.cross_entropy(x, t, w, reduction=reduction, **options),
                 inputs, constant=(2,), reduction=reduction, **options)
        for name, classes, options in [("plain", None, {}), ("weight", weight, {}),
                                       ("all_options", weight, {"label_smoothing": 0.2})]:
            inputs = [uniform(5, 4), lambda: uniform(5, 4)().softmax(1).float().double()]
            inputs += [] if classes is None else [classes]
            case(f"cross_entropy.probabilities_{name}_{reduction}",
                 lambda x, t, w=None: F.cross_entropy(x, t, w, reduction=reduction, **options),
                 inputs, constant=(2,), reduction=reduction, **options)
        for name, classes, options in [("plain", None, {}), ("weight_ignore", weight, {"ignore_index": 2})]:
            inputs = [lambda: uniform(5, 4)().log_softmax(1).float().double(), target]
            inputs += [] if classes is None else [classes]
            case(f"nll_loss.{name}_{reduction}",
                 lambda x, t, w=None: F.nll_loss(x, t, w, reduction=reduction, **options),
                 inputs, constant=(2,), reduction=reduction, **options)
        for name, function in [("mse_loss", F.mse_loss), ("l1_loss", F.l1_loss)]:
            case(f"{name}.{reduction}", lambda x, t: function(x, t, reduction=reduction),
                 [uniform(3, 5), uniform(3, 5)], reduction=reduction)
        case(f"bce_with_logits.{reduction}",
             lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction),
             [uniform(3, 5, low=-5, high=5), uniform(3, 5, low=0, high=1)], constant=(1,), reduction=reduction)
        case(f"bce_with_logits.weight_{reduction}",
             lambda x, t, w: F.binary_cross_entropy_with_logits(x, t, w, reduction=reduction),
             [uniform(3, 5), uniform(3, 5, low=0, high=1), uniform(5, low=0.5, high=2)],
             constant=(1, 2), reduction=reduction)
        case(f"bce_with_logits.pos_weight_{reduction}",
             lambda x, t, p: F.binary_cross_entropy_with_logits(x, t, pos_weight=p, reduction=reduction),
             [uniform(3, 5), uniform(3, 5, low=0, high=1), uniform(5, low=0.5, high=2)],
             constant=(1, 2), reduction=reduction, has_pos_weight=True)
        case(f"bce_with_logits.both_{reduction}",
             lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p, reduction=reduction),
             [uniform(3, 5), uniform(3, 5, low=0, high=1), uniform(3, 1, low=0.5, high=2),
              uniform(5, low=0.5, high=2)], constant=(1, 2, 3),
             reduction=reduction, has_pos_weight=True)
        case(f"cosine_embedding_loss.{reduction}",
             lambda a, b, t: F.cosine_embedding_loss(a, b, t, margin=0.1, reduction=reduction),
             [uniform(4, 5), uniform(4, 5), torch.tensor([1, -1, -1, 1])], margin=0.1, reduction=reduction)
    case("cross_entropy.one_sample", F.cross_entropy, [uniform(4), torch.tensor(2)])
    case("cross_entropy.positions", F.cross_entropy, [uniform(2, 4, 3), torch.tensor([[0, 3, 1], [2, 2, 0]])])


if __name__ == "__main__":
    for family in (elementwise, reductions, linear_algebra, shapes, indexing, distances, losses):
        family()
    golden.write("ops.safetensors")
