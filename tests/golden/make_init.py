"""Makes init.safetensors: the initial weights of PyTorch's layers, and torch.nn.init."""

import torch
from torch import nn

from common import Golden

golden = Golden()


class TextClassifier(nn.Module):
    """The model of the README's first program; parameters are drawn in this order."""

    def __init__(self, vocab, dim, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
        self.cell = nn.RNNCell(dim, hidden)
        self.head = nn.Linear(hidden, classes)


def layer(case, seed, make, **arguments):
    golden.arguments(case, {"seed": seed, **arguments})
    torch.manual_seed(seed)
    for name, value in make().state_dict().items():
        golden.put(f"{case}.param.{name}", value)
    golden.put(f"{case}.next", torch.rand(1))  # the generator must be in the same state as PyTorch's


def fill(case, seed, function, shape, dtype=torch.float32, **arguments):
    golden.arguments(case, {"seed": seed, **arguments})
    torch.manual_seed(seed)
    golden.put(f"{case}.out0", function(torch.empty(shape, dtype=dtype)))


if __name__ == "__main__":
    for seed in (0, 1, 42, 123):
        few = seed in (1, 123)
        for vocab, dim in [(1, 1), (3, 5), (4, 4), (10, 3), (17, 31)] + ([] if few else [(32, 33), (1000, 3)]):
            layer(f"embedding.v{vocab}_d{dim}_s{seed}", seed, lambda: nn.Embedding(vocab, dim),
                  num_embeddings=vocab, embedding_dim=dim)
        for vocab, dim, padding in [(5, 3, 0), (17, 2, 4), (7, 5, -1)]:
            layer(f"embedding.padding_v{vocab}_d{dim}_s{seed}", seed,
                  lambda: nn.Embedding(vocab, dim, padding_idx=padding),
                  num_embeddings=vocab, embedding_dim=dim, padding_idx=padding)
        for fan_in, fan_out in ([(1, 1), (2, 1), (3, 5), (15, 1), (16, 4), (17, 31), (31, 2)]
                                + ([] if few else [(32, 32), (1000, 3), (3, 1000)])):
            layer(f"linear.in{fan_in}_out{fan_out}_s{seed}", seed, lambda: nn.Linear(fan_in, fan_out),
                  in_features=fan_in, out_features=fan_out)
        layer(f"linear.no_bias_s{seed}", seed, lambda: nn.Linear(17, 3, bias=False),
              in_features=17, out_features=3, bias=False)
        for size, hidden in ([(1, 1), (3, 15), (16, 16), (31, 17)]
                             + ([] if few else [(17, 31), (2, 32), (1000, 2)])):
            layer(f"rnn_cell.in{size}_h{hidden}_s{seed}", seed, lambda: nn.RNNCell(size, hidden),
                  input_size=size, hidden_size=hidden)
        layer(f"rnn_cell.no_bias_s{seed}", seed, lambda: nn.RNNCell(5, 17, bias=False),
              input_size=5, hidden_size=17, bias=False)
        layer(f"text_classifier.s{seed}", seed, lambda: TextClassifier(50, 8, 12, 4),
              vocab=50, dim=8, hidden=12, classes=4)

    init = nn.init
    for seed in (0, 42):
        for name, shape in [("3x5", [3, 5]), ("17x31", [17, 31]), ("1x1", [1, 1])]:
            end = f"{name}_s{seed}"
            fill(f"uniform_.{end}", seed, lambda w: init.uniform_(w, -0.25, 1.5), shape, a=-0.25, b=1.5)
            fill(f"normal_.{end}", seed, lambda w: init.normal_(w, 0.5, 2.0), shape, mean=0.5, std=2.0)
            fill(f"constant_.{end}", seed, lambda w: init.constant_(w, 0.3), shape, val=0.3)
            for gain_name, gain in [("", 1.0), ("gain_", 5.0 / 3.0)]:
                fill(f"xavier_uniform_.{gain_name}{end}", seed, lambda w: init.xavier_uniform_(w, gain),
                     shape, gain=gain)
                fill(f"xavier_normal_.{gain_name}{end}", seed, lambda w: init.xavier_normal_(w, gain),
                     shape, gain=gain)
            for a, mode, nonlinearity in [(0.0, "fan_in", "relu"), (0.0, "fan_out", "relu"),
                                          (0.2, "fan_in", "leaky_relu"), (5**0.5, "fan_in", "leaky_relu"),
                                          (0.0, "fan_out", "tanh"), (0.0, "fan_in", "linear"),
                                          (0.0, "fan_in", "sigmoid"), (0.0, "fan_in", "selu")]:
                if name == "1x1" or (seed != 0 and nonlinearity != "relu"):
                    continue
                options = {"a": float(a), "mode": mode, "nonlinearity": nonlinearity}
                variant = f"{mode}_{nonlinearity}_a{round(10 * a)}_{end}"
                fill(f"kaiming_uniform_.{variant}", seed, lambda w: init.kaiming_uniform_(w, **options),
                     shape, **options)
                fill(f"kaiming_normal_.{variant}", seed, lambda w: init.kaiming_normal_(w, **options),
                     shape, **options)
        for dtype_name, dtype in (("f32", torch.float32), ("f64", torch.float64)):
            for name, shape in [("tall_7x3", [7, 3]), ("wide_3x7", [3, 7]), ("square_5x5", [5, 5]),
                                ("one_1x1", [1, 1]), ("folded_4x2x3", [4, 2, 3])]:
                fill(f"orthogonal_.{name}_{dtype_name}_s{seed}", seed,
                     lambda w: init.orthogonal_(w, 1.0), shape, dtype, gain=1.0)
            fill(f"orthogonal_.gain_tall_19x4_{dtype_name}_s{seed}", seed,
                 lambda w: init.orthogonal_(w, 2**0.5), [19, 4], dtype, gain=2**0.5)
            fill(f"xavier_uniform_.{dtype_name}_3d_s{seed}", seed,
                 lambda w: init.xavier_uniform_(w), [4, 3, 5], dtype, gain=1.0)
        for name in ("linear", "sigmoid", "tanh", "relu", "selu"):
            if seed == 0:
                golden.arguments(f"calculate_gain.{name}", {"nonlinearity": name})
                golden.put(f"calculate_gain.{name}.out0", float(init.calculate_gain(name)))
    for slope in (0.0, 0.01, 5**0.5):
        case = f"calculate_gain.leaky_relu_{round(100 * slope)}"
        golden.arguments(case, {"nonlinearity": "leaky_relu", "a": float(slope)})
        golden.put(f"{case}.out0", float(init.calculate_gain("leaky_relu", slope)))
    golden.write("init.safetensors")
