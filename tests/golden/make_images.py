"""Makes images.safetensors: convolution and pooling of images, their norms and dropout."""

import torch
from torch import nn
import torch.nn.functional as F

from common import away, distinct, draw, exact, uniform
from make_layers import golden, layer, SEED


def convolutions():
    for name, sizes, shape, options in [
            ("plain", (3, 4, 3), (2, 3, 7, 6), {}), ("no_bias", (3, 4, 3), (2, 3, 7, 6), {"bias": False}),
            ("rectangle", (2, 3, (2, 5)), (2, 2, 4, 9), {}), ("row", (2, 3, (1, 4)), (2, 2, 3, 9), {}),
            ("column", (2, 3, (4, 1)), (2, 2, 9, 3), {}), ("one", (1, 1, 1), (1, 1, 1, 1), {}),
            ("one_by_one", (5, 7, 1), (3, 5, 4, 6), {}), ("one_by_one_stride", (3, 4, 1), (2, 3, 7, 5), {"stride": 2}),
            ("stride", (2, 3, 3), (2, 2, 9, 8), {"stride": 2}), ("strides", (2, 3, 3), (2, 2, 9, 11), {"stride": (3, 2)}),
            ("wide_stride", (2, 3, 2), (2, 2, 9, 11), {"stride": (4, 3)}),
            ("padding", (2, 3, 3), (2, 2, 4, 5), {"padding": 2}), ("paddings", (2, 3, 3), (2, 2, 2, 5), {"padding": (2, 1)}),
            ("wide_padding", (2, 3, 2), (1, 2, 3, 2), {"padding": (3, 4)}),
            ("dilation", (2, 3, 3), (2, 2, 9, 8), {"dilation": 3}), ("dilations", (2, 3, 3), (2, 2, 9, 8), {"dilation": (1, 3)}),
            ("all", (2, 3, (4, 3)), (3, 2, 11, 8), {"stride": (3, 2), "padding": (2, 1), "dilation": 2}),
            ("same", (2, 3, 3), (2, 2, 5, 6), {"padding": "same"}), ("same_even", (2, 3, (4, 2)), (2, 2, 5, 6), {"padding": "same"}),
            ("same_dilation", (2, 3, 2), (2, 2, 5, 6), {"padding": "same", "dilation": (3, 2)}),
            ("odd", (17, 19, (5, 3)), (3, 17, 7, 13), {"padding": 1}), ("many_images", (1, 6, 5), (9, 1, 12, 12), {"padding": 2}),
            ("window_is_image", (3, 2, (4, 5)), (2, 3, 4, 5), {}), ("batch_1", (3, 2, 3), (1, 3, 6, 6), {}),
            ("no_batch", (3, 2, 3), (3, 6, 5), {}), ("empty_batch", (3, 2, 3), (0, 3, 6, 5), {}),
            ("reflect", (2, 3, 4), (2, 2, 5, 4), {"padding": (3, 2), "padding_mode": "reflect"}),
            ("replicate", (2, 3, 4), (2, 2, 3, 2), {"padding": (4, 1), "stride": 2, "padding_mode": "replicate"}),
            ("circular", (2, 3, 4), (2, 2, 5, 4), {"padding": (5, 2), "dilation": (2, 1), "padding_mode": "circular"}),
            ("circular_same", (2, 3, (2, 3)), (2, 2, 5, 4), {"padding": "same", "dilation": 2, "padding_mode": "circular"}),
            ("groups", (4, 6, 3), (2, 4, 7, 5), {"groups": 2, "padding": 1}),
            ("groups_no_bias", (6, 3, 2), (2, 6, 5, 6), {"groups": 3, "bias": False, "stride": 2}),
            ("depthwise", (3, 6, 3), (2, 3, 5, 20), {"groups": 3, "padding": "same"}),
            ("groups_all", (4, 2, 3), (4, 7, 6), {"groups": 2, "padding": 2, "dilation": 2, "padding_mode": "reflect"})]:
        stored = {key: -1 if value == "same" else value for key, value in options.items()}
        layer(f"conv2d.{name}", lambda: nn.Conv2d(*sizes, **options), [uniform(*shape)], in_channels=sizes[0],
              out_channels=sizes[1], kernel_size=sizes[2], **stored)


def pooling():
    for name, shape, options in [
            ("plain", (2, 3, 7, 6), {"kernel_size": 2}), ("rectangle", (2, 3, 7, 6), {"kernel_size": (2, 3)}),
            ("stride", (2, 3, 7, 6), {"kernel_size": 3, "stride": 1}),
            ("strides", (2, 2, 7, 6), {"kernel_size": 3, "stride": (2, 1)}),
            ("padding", (2, 2, 5, 6), {"kernel_size": 4, "stride": 2, "padding": 2}),
            ("paddings", (2, 2, 5, 6), {"kernel_size": (4, 3), "stride": 2, "padding": (2, 0)}),
            ("dilation", (2, 2, 8, 7), {"kernel_size": 3, "stride": 2, "dilation": (2, 1)}),
            ("dilation_padding", (2, 2, 8, 7), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}),
            ("one", (1, 1, 1, 1), {"kernel_size": 1}), ("no_batch", (3, 6, 5), {"kernel_size": 3}),
            ("odd", (3, 5, 17, 13), {"kernel_size": 5, "stride": 3}), ("empty_batch", (0, 3, 6, 5), {"kernel_size": 3}),
            ("ceil", (2, 3, 7, 8), {"kernel_size": 2, "ceil_mode": True}),
            ("ceil_overlap", (2, 2, 8, 7), {"kernel_size": 4, "stride": 2, "ceil_mode": True}),
            ("ceil_padding", (2, 2, 6, 5), {"kernel_size": 4, "stride": 3, "padding": (2, 1), "ceil_mode": True}),
            ("ceil_dropped", (2, 2, 4, 3), {"kernel_size": 2, "stride": (3, 4), "padding": 1, "ceil_mode": True}),
            ("ceil_dilation", (2, 2, 9, 10), {"kernel_size": 3, "stride": 3, "dilation": 2, "ceil_mode": True})]:
        layer(f"max_pool2d.{name}", lambda: nn.MaxPool2d(**options), [distinct(*shape)], **options)
        golden.values(f"max_pool2d_indices.{name}", lambda x: F.max_pool2d(x, return_indices=True, **options),
                      [distinct(*shape)], **options)
        if "dilation" not in options:
            layer(f"avg_pool2d.{name}", lambda: nn.AvgPool2d(**options), [uniform(*shape)], **options)
            layer(f"avg_pool2d.{name}_override", lambda: nn.AvgPool2d(divisor_override=3, **options), [uniform(*shape)],
                  divisor_override=3, **options)
        if "padding" in options and "dilation" not in options:
            layer(f"avg_pool2d.{name}_without", lambda: nn.AvgPool2d(count_include_pad=False, **options),
                  [uniform(*shape)], count_include_pad=False, **options)
    layer("max_pool2d.ties", lambda: nn.MaxPool2d(2, 1),
          [torch.tensor([[[1.0, 2, 2, 1], [1, 1, 2, 1], [2, 1, 1, 1]]]).double()], kernel_size=2, stride=1)
    for name, shape, options in [("plain", (2, 3, 7), {"kernel_size": 2}),
                                 ("padding", (2, 2, 5), {"kernel_size": 4, "stride": 2, "padding": 2}),
                                 ("dilation", (2, 2, 8), {"kernel_size": 3, "stride": 2, "dilation": 2}),
                                 ("ceil", (2, 8), {"kernel_size": 3, "ceil_mode": True})]:
        golden.values(f"max_pool1d_indices.{name}", lambda x: F.max_pool1d(x, return_indices=True, **options),
                      [distinct(*shape)], **options)
    for size, shape in [((1, 1), (2, 3, 5, 4)), ((3, 2), (2, 3, 7, 6)), ((4, 4), (2, 3, 3, 6)), ((2, 3), (3, 4, 9)),
                        ((5, 7), (1, 7, 17, 13)), ((2, 2), (0, 3, 5, 5)), ((1, 3), (2, 1, 4, 1))]:
        name = "to_" + "x".join(map(str, size)) + "_from_" + "x".join(map(str, shape))
        layer(f"adaptive_avg_pool2d.{name}", lambda: nn.AdaptiveAvgPool2d(size), [uniform(*shape)], output_size=size)


def norms():
    for name, shape, train, options in [
            ("plain", (4, 3, 2, 3), True, {}), ("odd", (3, 17, 5, 7), True, {}), ("batch_1", (1, 3, 2, 2), True, {}),
            ("one_pixel", (4, 3, 1, 1), True, {}), ("eval", (4, 3, 2, 3), False, {}),
            ("eval_one", (1, 3, 1, 1), False, {}), ("eval_none", (0, 3, 2, 3), False, {}),
            ("empty_batch", (0, 3, 2, 3), True, {}), ("eval_no_affine", (4, 3, 2, 3), False, {"affine": False}),
            ("momentum", (4, 3, 2, 3), True, {"momentum": 0.75}), ("cumulative", (4, 3, 2, 3), True, {"momentum": None}),
            ("eps", (4, 3, 2, 3), True, {"eps": 0.25}), ("no_affine", (4, 3, 2, 3), True, {"affine": False}),
            ("no_running", (4, 3, 2, 3), False, {"track_running_stats": False})]:
        stored = {key: value for key, value in options.items() if value is not None}
        layer(f"batch_norm2d.{name}", lambda: nn.BatchNorm2d(shape[1], **options), [uniform(*shape)], train=train,
              features=shape[1], training=train, cumulative=options.get("momentum", 0.1) is None, **stored)
    for name, groups, shape, options in [
            ("plain", 2, (3, 4, 2, 3), {}), ("one_group", 1, (2, 4, 3, 2), {}), ("each", 4, (2, 4, 3, 2), {}),
            ("vectors", 2, (3, 6), {}), ("sequences", 3, (2, 6, 5), {}), ("volumes", 2, (2, 4, 2, 3, 2), {}),
            ("odd", 3, (2, 15, 7, 5), {}), ("eps", 2, (3, 4, 2, 3), {"eps": 0.25}),
            ("no_affine", 2, (3, 4, 2, 3), {"affine": False}), ("empty_batch", 2, (0, 4, 2, 3), {})]:
        layer(f"group_norm.{name}", lambda: nn.GroupNorm(groups, shape[1], **options), [away(*shape)], num_groups=groups,
              num_channels=shape[1], **options)


def dropouts():
    for p in (0.0, 0.25, 0.5, 1.0):
        for shape in [(2, 3, 4, 5), (3, 17, 1, 2), (0, 3, 2, 2), (1, 40, 3, 3)]:
            case = "dropout2d.p_" + str(p).replace(".", "_") + "_" + "x".join(map(str, shape))
            inputs = draw(case, [uniform(*shape)])
            golden.arguments(case, {"p": p}, inputs)
            golden.put(f"{case}.in0", inputs[0])
            for prefix, dtype in ((case, torch.float64), (f"{case}.f32", torch.float32)):
                torch.manual_seed(SEED)
                golden.put(f"{prefix}.out0", F.dropout2d(inputs[0].to(dtype), p))
                golden.put(f"{prefix}.next", torch.rand(1))


def second_order():
    """first gradients of sum(out * g0), and second*: the gradients of sum over i of sum(first_i * h_i)."""
    x, w, b = (2, 4, 6, 5), (6, 2, 3, 2), (6,)
    for name, function, inputs in [
            ("conv2d", lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
             [uniform(*x), uniform(*w), uniform(*b)]),
            ("conv2d_plain", F.conv2d, [uniform(3, 2, 5, 6), uniform(4, 2, 3, 3), uniform(4)]),
            ("max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1).square(), [distinct(2, 3, 7, 6)]),
            ("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False).square(), [uniform(2, 3, 7, 6)]),
            ("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), [away(2, 4, 3, 2), uniform(4), uniform(4)]),
            ("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [uniform(2, 3, 2, 3), uniform(3), uniform(3)])]:
        case = f"second.{name}"
        inputs = draw(case, inputs)
        golden.arguments(case, {}, inputs)
        leaves = [value.requires_grad_() for value in inputs]
        out = function(*leaves)
        weight = exact(torch.randn_like(out))
        first = torch.autograd.grad((out * weight).sum(), leaves, create_graph=True)
        weights = [exact(torch.randn_like(value)) for value in first]
        total = sum((value * h).sum() for value, h in zip(first, weights))
        second = torch.autograd.grad(total, leaves, allow_unused=True)
        for i, value in enumerate(inputs):
            golden.put(f"{case}.in{i}", value)
            golden.put(f"{case}.h{i}", weights[i])
            golden.put(f"{case}.first{i}", first[i])
            golden.put(f"{case}.second{i}", torch.zeros_like(value) if second[i] is None else second[i])
        golden.put(f"{case}.g0", weight)


if __name__ == "__main__":
    for family in (convolutions, pooling, norms, dropouts, second_order):
        family()
    golden.write("images.safetensors")
