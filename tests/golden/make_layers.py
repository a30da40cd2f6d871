"""Makes layers.safetensors: the layers that are not in modules.safetensors, losses, and trunc_normal_."""

import warnings

import torch
from torch import nn
import torch.nn.functional as F

from common import Golden, away, distinct, draw, exact, uniform

warnings.filterwarnings("ignore")
golden = Golden()
SEED = 7


def layer(case, make, inputs, run=None, train=True, seed=None, **arguments):
    """first.*, next: the initial state after manual_seed(SEED). Then, with other weights: param.*, buffer.*,
    in*, out*, g*, grad* (inputs), grad.* (parameters) and after.* (buffers), in float64 and float32. seed: set
    before the layer runs, if it draws random numbers."""
    run = run or (lambda module, *x: module(*x))
    torch.manual_seed(SEED)
    module = make()
    for name, value in module.state_dict().items():
        golden.put(f"{case}.first.{name}", value.clone())
    golden.put(f"{case}.next", torch.rand(1))
    inputs = draw(case, inputs)
    golden.arguments(case, arguments if seed is None else {"seed": seed, **arguments}, inputs)
    for i, value in enumerate(inputs):
        golden.put(f"{case}.in{i}", value)
    module.train(train)
    start = {}
    for name, value in module.named_parameters():
        start[name] = exact(uniform(*value.shape, low=-1.0, high=1.0)())
        golden.put(f"{case}.param.{name}", start[name])
    for name, value in module.named_buffers():
        start[name] = exact(uniform(*value.shape, low=0.5, high=1.5)()) if value.is_floating_point() else value.clone()
        golden.put(f"{case}.buffer.{name}", start[name])
    weights = None
    for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
        module.to(dtype)
        for name, value in list(module.named_parameters()) + list(module.named_buffers()):
            value.data = (start[name].to(dtype) if value.is_floating_point() else start[name]).clone()
            value.grad = None
        leaves = [value.detach().to(dtype).requires_grad_() if value.is_floating_point() else value
                  for value in inputs]
        if seed is not None:
            torch.manual_seed(seed)
        outputs = run(module, *leaves)
        outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
        if weights is None:
            weights = [exact(torch.randn_like(output)) for output in outputs]
            for i, weight in enumerate(weights):
                golden.put(f"{case}.g{i}", weight)
        for i, output in enumerate(outputs):
            golden.put(f"{prefix}.out{i}", output)
        torch.autograd.backward(outputs, [weight.to(dtype) for weight in weights])
        for i, leaf in enumerate(leaves):
            if leaf.is_floating_point():
                golden.put(f"{prefix}.grad{i}", leaf.grad if leaf.grad is not None else torch.zeros_like(leaf))
        for name, value in module.named_parameters():
            golden.put(f"{prefix}.grad.{name}", value.grad)
        for name, value in module.named_buffers():
            golden.put(f"{prefix}.after.{name}", value)


class RMSNorm(nn.Module):
    """The formula of RMSNorm, which PyTorch has since 2.4."""

    def __init__(self, shape, eps=None, elementwise_affine=True):
        super().__init__()
        self.dims = tuple(range(-len(shape), 0))
        self.weight = nn.Parameter(torch.ones(shape)) if elementwise_affine else None
        self.eps = eps

    def forward(self, x):
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        y = x * torch.rsqrt(x.pow(2).mean(self.dims, keepdim=True) + eps)
        return y if self.weight is None else y * self.weight


def norms():
    for name, sizes, shape, options in [
            ("plain", [5], (4, 5), {}), ("vector", [7], (7,), {}), ("steps", [9], (2, 3, 9), {}),
            ("matrix", [3, 5], (2, 3, 5), {}), ("one", [1], (3, 1), {}), ("wide", [67], (5, 67), {}),
            ("many_rows", [3], (131, 3), {}), ("no_rows", [5], (0, 5), {}),
            ("batch_1", [3, 5], (1, 3, 5), {}), ("empty_batch", [3, 5], (0, 3, 5), {}),
            ("eps", [5], (4, 5), {"eps": 0.25}), ("no_affine", [5], (4, 5), {"elementwise_affine": False})]:
        layer(f"layer_norm.{name}", lambda: nn.LayerNorm(sizes, **options), [uniform(*shape)], shape=sizes, **options)
    for name, sizes, shape, options in [
            ("plain", [5], (4, 5), {}), ("matrix", [3, 5], (2, 3, 5), {}), ("one", [1], (3, 1), {}),
            ("eps", [33], (2, 33), {"eps": 0.25}), ("no_rows", [5], (0, 5), {}),
            ("wide", [67], (5, 67), {}), ("many_rows", [3], (131, 3), {}), ("vector", [7], (7,), {}),
            ("no_affine", [5], (4, 5), {"elementwise_affine": False})]:
        layer(f"rms_norm.{name}", lambda: RMSNorm(sizes, **options), [away(*shape)], shape=sizes, **options)
    for name, shape, train, options in [
            ("plain", (4, 3), True, {}), ("sequences", (2, 3, 5), True, {}), ("odd", (7, 17), True, {}),
            ("batch_1", (1, 3, 4), True, {}), ("length_1", (4, 3, 1), True, {}), ("eval", (4, 3), False, {}),
            ("eval_sequences", (2, 3, 5), False, {}), ("eval_one", (1, 3), False, {}),
            ("eval_none", (0, 3), False, {}), ("empty_batch", (0, 3), True, {}), ("empty_batch_sequences", (0, 3, 5), True, {}),
            ("eval_no_sequences", (0, 3, 5), False, {}),
            ("eval_no_affine", (4, 3), False, {"affine": False}), ("momentum", (4, 3), True, {"momentum": 0.75}),
            ("cumulative", (4, 3), True, {"momentum": None}), ("eps", (4, 3), True, {"eps": 0.25}),
            ("no_affine", (4, 3), True, {"affine": False}),
            ("no_running", (4, 3), False, {"track_running_stats": False})]:
        stored = {key: value for key, value in options.items() if value is not None}
        layer(f"batch_norm1d.{name}", lambda: nn.BatchNorm1d(shape[1], **options), [uniform(*shape)], train=train,
              features=shape[1], training=train, cumulative=options.get("momentum", 0.1) is None, **stored)
    # Two batches in training, then one in eval mode.
    def three(module, a, b, c):
        first, second = module(a), module(b)
        return first, second, module.eval()(c)
    for name, momentum in [("three", 0.1), ("three_cumulative", None)]:
        layer(f"batch_norm1d.{name}", lambda: nn.BatchNorm1d(3, momentum=momentum),
              [uniform(4, 3), uniform(5, 3), uniform(2, 3)], run=lambda m, *x: three(m.train(), *x),
              features=3, training=True, cumulative=momentum is None)


def convolutions():
    for name, sizes, shape, options in [
            ("plain", (3, 4, 3), (2, 3, 7), {}), ("no_bias", (3, 4, 3), (2, 3, 7), {"bias": False}),
            ("stride", (2, 3, 3), (2, 2, 9), {"stride": 2}), ("padding", (2, 3, 3), (2, 2, 4), {"padding": 2}),
            ("dilation", (2, 3, 3), (2, 2, 9), {"dilation": 3}),
            ("all", (2, 3, 4), (3, 2, 11), {"stride": 3, "padding": 2, "dilation": 2}),
            ("same", (2, 3, 3), (2, 2, 5), {"padding": "same"}),
            ("same_even", (2, 3, 4), (2, 2, 5), {"padding": "same"}),
            ("same_dilation", (2, 3, 2), (2, 2, 5), {"padding": "same", "dilation": 3}),
            ("odd", (17, 19, 5), (3, 17, 13), {}), ("one", (1, 1, 1), (1, 1, 1), {}),
            ("length_is_kernel", (3, 2, 4), (2, 3, 4), {}), ("batch_1", (3, 2, 3), (1, 3, 6), {}),
            ("no_batch", (3, 2, 3), (3, 6), {}), ("empty_batch", (3, 2, 3), (0, 3, 6), {}),
            ("length_1", (3, 2, 3), (2, 3, 1), {"padding": 1}),
            ("reflect", (2, 3, 4), (2, 2, 5), {"padding": 3, "padding_mode": "reflect"}),
            ("reflect_length_1", (2, 3, 1), (2, 2, 1), {"padding_mode": "reflect"}),
            ("replicate", (2, 3, 4), (2, 2, 3), {"padding": 4, "stride": 2, "padding_mode": "replicate"}),
            ("replicate_length_1", (2, 3, 3), (2, 2, 1), {"padding": 2, "padding_mode": "replicate"}),
            ("circular", (2, 3, 4), (2, 2, 5), {"padding": 5, "dilation": 2, "padding_mode": "circular"}),
            ("circular_batch_1", (2, 3, 3), (1, 2, 4), {"padding": 1, "padding_mode": "circular"}),
            ("reflect_same", (2, 3, 4), (2, 2, 5), {"padding": "same", "padding_mode": "reflect"}),
            ("circular_same", (2, 3, 2), (2, 2, 5), {"padding": "same", "dilation": 3, "padding_mode": "circular"}),
            ("replicate_same", (2, 3, 3), (1, 2, 5), {"padding": "same", "padding_mode": "replicate"}),
            ("groups", (4, 6, 3), (2, 4, 7), {"groups": 2, "padding": 1}),
            ("groups_no_bias", (6, 3, 2), (2, 6, 5), {"groups": 3, "bias": False, "stride": 2}),
            ("depthwise", (3, 6, 3), (2, 3, 5), {"groups": 3, "padding": "same"}),
            ("groups_all", (4, 2, 3), (4, 7), {"groups": 2, "padding": 2, "dilation": 2, "padding_mode": "reflect"})]:
        stored = {key: -1 if value == "same" else value for key, value in options.items()}
        layer(f"conv1d.{name}", lambda: nn.Conv1d(*sizes, **options), [uniform(*shape)], in_channels=sizes[0],
              out_channels=sizes[1], kernel_size=sizes[2], **stored)
    for name, shape, options in [
            ("plain", (2, 3, 7), {"kernel_size": 2}), ("stride", (2, 3, 7), {"kernel_size": 3, "stride": 1}),
            ("padding", (2, 2, 5), {"kernel_size": 4, "stride": 2, "padding": 2}),
            ("dilation", (2, 2, 8), {"kernel_size": 3, "stride": 2, "dilation": 2}),
            ("one", (1, 1, 1), {"kernel_size": 1}), ("no_batch", (3, 6), {"kernel_size": 3}),
            ("odd", (3, 5, 17), {"kernel_size": 5, "stride": 3}), ("empty_batch", (0, 3, 6), {"kernel_size": 3}),
            ("length_1", (2, 3, 1), {"kernel_size": 2, "padding": 1}),
            ("ceil", (2, 3, 7), {"kernel_size": 2, "ceil_mode": True}),
            ("ceil_fits", (2, 3, 6), {"kernel_size": 2, "ceil_mode": True}),
            ("ceil_overlap", (2, 2, 8), {"kernel_size": 4, "stride": 2, "ceil_mode": True}),
            ("ceil_padding", (2, 2, 6), {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True}),
            ("ceil_dropped", (2, 2, 4), {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
            ("ceil_dropped_in_padding", (2, 2, 3), {"kernel_size": 2, "stride": 4, "padding": 1, "ceil_mode": True}),
            ("ceil_last_step", (2, 2, 4), {"kernel_size": 3, "stride": 4, "padding": 1, "ceil_mode": True}),
            ("ceil_short", (2, 2, 2), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
            ("ceil_dilation", (2, 2, 9), {"kernel_size": 3, "stride": 3, "dilation": 2, "ceil_mode": True}),
            ("ceil_no_batch", (2, 8), {"kernel_size": 3, "ceil_mode": True})]:
        layer(f"max_pool1d.{name}", lambda: nn.MaxPool1d(**options), [distinct(*shape)], **options)
        if "dilation" not in options:
            layer(f"avg_pool1d.{name}", lambda: nn.AvgPool1d(**options), [uniform(*shape)], **options)
        if "padding" in options:
            layer(f"avg_pool1d.{name}_without", lambda: nn.AvgPool1d(count_include_pad=False, **options),
                  [uniform(*shape)], count_include_pad=False, **options)
    layer("max_pool1d.ties", lambda: nn.MaxPool1d(3, 1), [torch.tensor([[[1.0, 2, 2, 1, 1, 1]]]).double()],
          kernel_size=3, stride=1)
    layer("avg_pool1d.without_padding", lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False), [uniform(2, 2, 6)],
          kernel_size=3, stride=2, padding=1, count_include_pad=False)
    for size, shape in [(1, (2, 3, 5)), (1, (2, 3, 1)), (3, (2, 3, 7)), (4, (2, 3, 3)), (2, (3, 5)), (5, (1, 7, 17)),
                        (2, (0, 3, 5))]:
        name = f"to_{size}_from_" + "x".join(map(str, shape))
        layer(f"adaptive_max_pool1d.{name}", lambda: nn.AdaptiveMaxPool1d(size), [distinct(*shape)], output_size=size)
        layer(f"adaptive_avg_pool1d.{name}", lambda: nn.AdaptiveAvgPool1d(size), [uniform(*shape)], output_size=size)
    for name, sizes, batch, bias in [("plain", (3, 4, 5), (2,), True), ("no_bias", (3, 4, 5), (2,), False),
                                     ("one", (1, 1, 1), (1,), True), ("steps", (3, 2, 2), (2, 4), True),
                                     ("vector", (3, 2, 2), (), True), ("empty", (3, 2, 2), (0,), True),
                                     ("odd", (7, 9, 11), (5,), True), ("batch_1", (3, 4, 5), (1,), True)]:
        layer(f"bilinear.{name}", lambda: nn.Bilinear(*sizes, bias=bias),
              [uniform(*batch, sizes[0]), uniform(*batch, sizes[1])], in1_features=sizes[0], in2_features=sizes[1],
              out_features=sizes[2], bias=bias)


# Which keys a query does not see, and which are padding.
def later(n):
    return torch.ones(n, n).triu(1).bool()


PADDED = torch.tensor([[False] * 5, [False, False, False, True, True], [False] + [True] * 4])


def attentions():
    for name, embed, heads, batch, queries, keys, options, call in [
            ("plain", 6, 2, 2, 3, 4, {}, {}), ("batch_first", 6, 2, 2, 3, 4, {"batch_first": True}, {}),
            ("no_bias", 6, 3, 2, 3, 4, {"bias": False}, {}), ("one_head", 5, 1, 2, 3, 4, {}, {}),
            ("one", 2, 2, 1, 1, 1, {}, {}), ("no_batch", 6, 2, None, 3, 4, {}, {}),
            ("no_batch_first", 6, 2, None, 3, 4, {"batch_first": True}, {}),
            ("empty_batch", 6, 2, 0, 3, 4, {}, {}),
            ("heads_apart", 6, 2, 2, 3, 4, {}, {"average_attn_weights": False}),
            ("padding", 6, 2, 3, 4, 5, {"batch_first": True}, {"key_padding_mask": PADDED}),
            ("causal", 6, 2, 2, 5, 5, {"batch_first": True}, {"attn_mask": later(5)}),
            ("causal_padding", 6, 2, 3, 5, 5, {"batch_first": True},
             {"attn_mask": later(5), "key_padding_mask": PADDED}),
            ("additive", 6, 2, 2, 3, 4, {}, {"attn_mask": uniform(3, 4)}),
            ("additive_padding", 6, 2, 3, 4, 5, {}, {"attn_mask": uniform(4, 5), "key_padding_mask": PADDED}),
            ("mask_for_each_head", 6, 2, 2, 3, 4, {},
             {"attn_mask": torch.arange(48).reshape(4, 3, 4) % 5 == 1}),
            ("additive_for_each_head", 6, 2, 2, 3, 4, {}, {"attn_mask": uniform(4, 3, 4)}),
            ("additive_for_each_head_padding", 6, 2, 3, 4, 5, {},
             {"attn_mask": uniform(6, 4, 5), "key_padding_mask": PADDED}),
            ("no_batch_mask_for_each_head", 6, 2, None, 3, 4, {},
             {"attn_mask": torch.arange(24).reshape(2, 3, 4) % 5 == 1}),
            ("no_batch_padding", 6, 2, None, 3, 5, {}, {"key_padding_mask": PADDED[1]}),
            ("odd", 35, 7, 3, 1, 9, {}, {}), ("one_key", 6, 3, 2, 3, 1, {}, {}), ("no_queries", 6, 2, 2, 0, 4, {}, {}),
            ("widths", 6, 2, 2, 3, 4, {"kdim": 5, "vdim": 7}, {}),
            ("key_width", 6, 3, 2, 3, 4, {"kdim": 1, "bias": False, "batch_first": True}, {}),
            ("value_width", 6, 2, 2, 3, 4, {"vdim": 9}, {}),
            ("own_width", 6, 2, 2, 3, 4, {"kdim": 6, "vdim": 6}, {}),
            ("bias_kv", 6, 2, 2, 3, 4, {"add_bias_kv": True}, {}),
            ("bias_kv_no_bias", 6, 2, 2, 3, 4, {"add_bias_kv": True, "bias": False}, {}),
            ("zero_attn", 6, 2, 2, 3, 4, {"add_zero_attn": True}, {}),
            ("added", 6, 2, 2, 3, 4, {"add_bias_kv": True, "add_zero_attn": True}, {}),
            ("added_no_batch", 6, 2, None, 3, 5, {"add_bias_kv": True, "add_zero_attn": True},
             {"key_padding_mask": PADDED[2]}),
            ("added_empty_batch", 6, 2, 0, 3, 4, {"add_bias_kv": True, "add_zero_attn": True}, {}),
            ("added_padding", 6, 2, 3, 4, 5, {"add_bias_kv": True}, {"key_padding_mask": PADDED}),
            ("added_all_padding", 6, 2, 3, 4, 5, {"add_zero_attn": True},
             {"key_padding_mask": torch.ones(3, 5).bool()}),
            ("added_causal_padding", 6, 2, 3, 5, 5,
             {"add_bias_kv": True, "add_zero_attn": True, "kdim": 5, "vdim": 3, "batch_first": True},
             {"attn_mask": later(5), "key_padding_mask": PADDED}),
            ("added_additive", 6, 2, 3, 4, 5, {"add_bias_kv": True, "add_zero_attn": True},
             {"attn_mask": uniform(4, 5), "key_padding_mask": PADDED}),
            ("added_mask_for_each_head", 6, 2, 2, 3, 4, {"add_bias_kv": True, "add_zero_attn": True},
             {"attn_mask": torch.arange(48).reshape(4, 3, 4) % 5 == 1, "average_attn_weights": False}),
            ("padding_numbers", 6, 2, 2, 3, 4, {}, {"key_padding_mask": uniform(2, 4)}),
            ("padding_numbers_zero_attn", 6, 2, 2, 3, 4, {"add_zero_attn": True, "batch_first": True},
             {"key_padding_mask": uniform(2, 4)}),
            ("dropout", 6, 2, 2, 3, 4, {"dropout": 0.4}, {}),
            ("dropout_batch_first", 6, 2, 2, 3, 4, {"dropout": 0.4, "batch_first": True},
             {"average_attn_weights": False}),
            ("dropout_all", 6, 2, 2, 3, 4, {"dropout": 1.0}, {})]:
        def shaped(length, width=embed):
            if batch is None:
                return uniform(length, width)
            return uniform(batch, length, width) if options.get("batch_first") else uniform(length, batch, width)
        masks = {key: value() if callable(value) else value for key, value in call.items() if "mask" in key}
        case = f"multihead_attention.{name}"

        def run(module, q, k, v):
            given = {key: value.to(q.dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
                     for key, value in {**call, **masks}.items()}
            return module(q, k, v, **given)
        layer(case, lambda: nn.MultiheadAttention(embed, heads, **options),
              [shaped(queries), shaped(keys, options.get("kdim", embed)), shaped(keys, options.get("vdim", embed))],
              run=run, seed=SEED if "dropout" in options else None, embed_dim=embed, num_heads=heads,
              average=call.get("average_attn_weights", True), **options)
        for key, value in masks.items():
            golden.put(f"{case}.{key}", value)
    # Queries, keys and values are one tensor.
    for name, options in [("itself", {}), ("itself_added", {"add_bias_kv": True, "add_zero_attn": True}),
                          ("itself_no_bias", {"bias": False, "batch_first": True})]:
        layer(f"multihead_attention.{name}", lambda: nn.MultiheadAttention(6, 2, **options), [uniform(4, 3, 6)],
              run=lambda module, x: module(x, x, x), embed_dim=6, num_heads=2, average=True, **options)
    for name, options in [("keys_are_values", {}), ("keys_are_values_batch_first", {"batch_first": True})]:
        layer(f"multihead_attention.{name}", lambda: nn.MultiheadAttention(6, 2, **options),
              [uniform(4, 4, 6), uniform(4, 4, 6)], run=lambda module, q, x: module(q, x, x), embed_dim=6,
              num_heads=2, average=True, **options)


def transformers():
    for name, heads, batch, length, options, padded in [
            ("plain", 2, 2, 4, {}, False), ("batch_first", 2, 2, 4, {"batch_first": True}, False),
            ("norm_first", 2, 2, 4, {"batch_first": True, "norm_first": True}, False),
            ("gelu", 3, 2, 4, {"batch_first": True, "activation": "gelu"}, False),
            ("padding", 2, 3, 5, {"batch_first": True}, True),
            ("norm_first_padding", 2, 3, 5, {"batch_first": True, "norm_first": True}, True),
            ("one", 1, 1, 1, {"layer_norm_eps": 0.25}, False), ("empty_batch", 2, 0, 4, {"batch_first": True}, False),
            ("length_1", 2, 3, 1, {}, False), ("batch_1", 3, 1, 5, {"norm_first": True}, False),
            ("odd", 3, 5, 7, {"batch_first": True}, False),
            ("dropout", 2, 2, 4, {"dropout": 0.3}, False),
            ("dropout_batch_first", 2, 2, 4, {"dropout": 0.3, "batch_first": True}, False),
            ("dropout_norm_first", 2, 3, 5, {"dropout": 0.3, "batch_first": True, "norm_first": True}, True)]:
        def run(module, x):
            return module(x, src_key_padding_mask=PADDED if padded else None)
        shape = (batch, length, 6) if options.get("batch_first") else (length, batch, 6)
        case = f"transformer_encoder_layer.{name}"
        layer(case, lambda: nn.TransformerEncoderLayer(6, heads, dim_feedforward=7, **{"dropout": 0.0, **options}),
              [uniform(*shape)], run=run, seed=SEED if "dropout" in options else None, d_model=6, nhead=heads,
              dim_feedforward=7, **options)
        if padded:
            golden.put(f"{case}.key_padding_mask", PADDED)
    # Masks of queries and keys; without batch, too.
    for name, shape, mask, padding in [
            ("no_batch", (5, 6), None, None), ("no_batch_causal", (5, 6), later(5), PADDED[1]),
            ("causal", (3, 5, 6), later(5), None), ("causal_padding", (3, 5, 6), later(5), PADDED),
            ("additive", (3, 5, 6), uniform(5, 5), None), ("additive_padding", (3, 5, 6), uniform(5, 5), PADDED)]:
        case = f"transformer_encoder_layer.{name}"
        mask = mask() if callable(mask) else mask

        def run(module, x):
            own = mask.to(x.dtype) if mask is not None and mask.is_floating_point() else mask
            return module(x, src_mask=own, src_key_padding_mask=padding)
        layer(case, lambda: nn.TransformerEncoderLayer(6, 2, dim_feedforward=7, dropout=0.0, batch_first=True),
              [uniform(*shape)], run=run, d_model=6, nhead=2, dim_feedforward=7, batch_first=True)
        if mask is not None:
            golden.put(f"{case}.attn_mask", mask)
        if padding is not None:
            golden.put(f"{case}.key_padding_mask", padding)
    for name, norm, padded, options in [
            ("one", True, False, {}), ("empty_batch", True, False, {}), ("plain", False, False, {}), ("norm", True, False, {}), ("padding", True, True, {}),
            ("gelu", True, True, {"activation": "gelu", "norm_first": True}),
            ("dropout", True, True, {"dropout": 0.2}), ("steps_first", True, False, {"batch_first": False})]:
        case = f"transformer_encoder.{name}"

        def make():
            one = nn.TransformerEncoderLayer(6, 2, dim_feedforward=7,
                                             **{"batch_first": True, "dropout": 0.0, **options})
            return nn.TransformerEncoder(one, 3, nn.LayerNorm(6) if norm else None)
        layer(case, make, [uniform(*{"one": (1, 1, 6), "empty_batch": (0, 5, 6)}.get(name, (3, 5, 6)))],
              run=lambda module, x: module(x, src_key_padding_mask=PADDED if padded else None),
              seed=SEED if "dropout" in options else None, d_model=6, nhead=2, dim_feedforward=7, num_layers=3,
              norm=norm, **{"batch_first": True, **options})
        if padded:
            golden.put(f"{case}.key_padding_mask", PADDED)


def dropouts():
    for name, module, shape in [("dropout", nn.Dropout, (17, 3)), ("dropout", nn.Dropout, (1, 1)),
                                ("dropout", nn.Dropout, ()), ("dropout", nn.Dropout, (0, 7)),
                                ("dropout1d", nn.Dropout1d, (3, 5, 4)), ("dropout1d", nn.Dropout1d, (5, 4)),
                                ("dropout1d", nn.Dropout1d, (1, 17, 1)), ("dropout1d", nn.Dropout1d, (0, 5, 4)),
                                ("alpha_dropout", nn.AlphaDropout, (3, 7)), ("alpha_dropout", nn.AlphaDropout, (41,)),
                                ("alpha_dropout", nn.AlphaDropout, (1, 1)), ("alpha_dropout", nn.AlphaDropout, (0, 7))]:
        for p in (0.0, 0.25, 0.5, 1.0):
            case = f"{name}.p{int(100 * p)}_" + ("x".join(map(str, shape)) or "number")
            x, = draw(case, [uniform(*shape)])
            golden.arguments(case, {"seed": SEED, "p": p}, [x])
            golden.put(f"{case}.in0", x)
            for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
                torch.manual_seed(SEED)
                golden.put(f"{prefix}.out0", module(p)(x.to(dtype)))
                golden.put(f"{prefix}.next", torch.rand(1))


def losses():
    case = golden.gradients
    signs = torch.tensor([1, -1, -1, 1])
    for reduction in ("none", "mean", "sum"):
        how = {"reduction": reduction}
        for name, options in [("plain", {}), ("beta", {"beta": 0.5}), ("beta_0", {"beta": 0.0})]:
            case(f"smooth_l1_loss.{name}_{reduction}", lambda x, t: F.smooth_l1_loss(x, t, **how, **options),
                 [uniform(3, 5), uniform(3, 5)], **how, **options)
        for name, options in [("plain", {}), ("delta", {"delta": 0.5})]:
            case(f"huber_loss.{name}_{reduction}", lambda x, t: F.huber_loss(x, t, **how, **options),
                 [uniform(3, 5), uniform(3, 5)], **how, **options)
        log_p = lambda: exact(uniform(3, 5)().log_softmax(1))
        p = lambda: exact(uniform(3, 5)().softmax(1))
        case(f"kl_div.plain_{reduction}", lambda x, t: F.kl_div(x, t, **how), [log_p, p], **how)
        case(f"kl_div.log_{reduction}", lambda x, t: F.kl_div(x, t, log_target=True, **how), [log_p, log_p],
             log_target=True, **how)
        for name, options in [("plain", {}), ("margin", {"margin": 0.5})]:
            case(f"hinge_embedding_loss.{name}_{reduction}",
                 lambda x, t: F.hinge_embedding_loss(x, t, **how, **options), [uniform(4), signs], **how, **options)
            case(f"cosine_embedding_loss.{name}_{reduction}",
                 lambda a, b, t: F.cosine_embedding_loss(a, b, t, **how, **options),
                 [uniform(4, 3), uniform(4, 3), signs], **how, **options)
            case(f"margin_ranking_loss.{name}_{reduction}",
                 lambda a, b, t: F.margin_ranking_loss(a, b, t, **how, **options),
                 [uniform(4), uniform(4), signs], **how, **options)
        for name, options in [("plain", {}), ("margin", {"margin": 0.25}), ("p1", {"p": 1.0}), ("p3", {"p": 3.0}),
                              ("swap", {"swap": True})]:
            case(f"triplet_margin_loss.{name}_{reduction}",
                 lambda a, b, c: F.triplet_margin_loss(a, b, c, **how, **options),
                 [uniform(5, 3), uniform(5, 3), uniform(5, 3)], **how, **options)
        target = torch.tensor([0, 3, 2, 2, 1])
        weight = torch.tensor([0.5, 2.0, 1.25, 0.25], dtype=torch.float64)
        for name, options in [("plain", {}), ("p2", {"p": 2}), ("margin", {"margin": 0.5})]:
            case(f"multi_margin_loss.{name}_{reduction}",
                 lambda x, t: F.multi_margin_loss(x, t, **how, **options), [uniform(5, 4), target], **how, **options)
        case(f"multi_margin_loss.weight_{reduction}", lambda x, t, w: F.multi_margin_loss(x, t, weight=w, **how),
             [uniform(5, 4), target, weight], constant=(2,), **how)
        inside = uniform(3, 5, low=0.05, high=0.95)
        case(f"bce_loss.plain_{reduction}", lambda x, t: F.binary_cross_entropy(x, t, **how),
             [inside, uniform(3, 5, low=0, high=1)], constant=(1,), **how)
        case(f"bce_loss.weight_{reduction}", lambda x, t, w: F.binary_cross_entropy(x, t, w, **how),
             [inside, uniform(3, 5, low=0, high=1), uniform(5, low=0.5, high=2)], constant=(1, 2), **how)
    case("kl_div.batchmean", lambda x, t: F.kl_div(x, t, reduction="batchmean"), [log_p, p], batchmean=True)
    case("kl_div.zeros", F.kl_div, [log_p, torch.tensor([[0.0, 1, 0, 0, 0]] * 3).double()], constant=(1,))
    edges = torch.tensor([0.0, 0, 1, 1, 0.5]).double()
    case("bce_loss.edges", F.binary_cross_entropy, [edges, torch.tensor([0.0, 1, 0, 1, 1]).double()], constant=(1,))
    case("cosine_embedding_loss.vectors", F.cosine_embedding_loss, [uniform(3), uniform(3), torch.tensor(-1)])
    case("cosine_embedding_loss.zeros", F.cosine_embedding_loss,
         [torch.zeros(1, 3).double(), uniform(1, 3), torch.tensor([1])])
    case("multi_margin_loss.one_sample", F.multi_margin_loss, [uniform(4), torch.tensor(2)])
    nothing, none = uniform(0, 3), torch.zeros(0)
    for name, function, inputs in [
            ("smooth_l1_loss", F.smooth_l1_loss, [nothing, nothing]), ("huber_loss", F.huber_loss, [nothing, nothing]),
            ("kl_div", F.kl_div, [nothing, nothing]), ("bce_loss", F.binary_cross_entropy, [nothing, nothing]),
            ("margin_ranking_loss", F.margin_ranking_loss, [uniform(0), uniform(0), none.long()]),
            ("hinge_embedding_loss", F.hinge_embedding_loss, [uniform(0), none.long()]),
            ("cosine_embedding_loss", F.cosine_embedding_loss, [nothing, nothing, none.long()]),
            ("triplet_margin_loss", F.triplet_margin_loss, [nothing, nothing, nothing])]:
        case(f"{name}.empty", function, inputs, constant=(1,) if name == "bce_loss" else ())


def initial():
    for name, shape, options in [("plain", (3, 5), {}), ("long", (7, 19), {}), ("narrow", (5, 5), {"a": -0.5, "b": 0.25}),
                                 ("scaled", (5, 5), {"mean": 1.0, "std": 0.5}), ("wide", (4, 9), {"a": -5.0, "b": 5.0}),
                                 ("none", (0, 3), {})]:
        for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
            case = f"trunc_normal_.{name}_{suffix}"
            golden.arguments(case, {"seed": SEED, **options})
            torch.manual_seed(SEED)
            golden.put(f"{case}.out0", nn.init.trunc_normal_(torch.empty(shape, dtype=dtype), **options))
            golden.put(f"{case}.next", torch.rand(1))


if __name__ == "__main__":
    for family in (norms, convolutions, attentions, transformers, dropouts, losses, initial):
        family()
    golden.write("layers.safetensors")
