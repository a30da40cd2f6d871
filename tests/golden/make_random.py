"""Makes random.safetensors: numbers that PyTorch's CPU generator draws."""

import torch

from common import Golden

SEEDS = [0, 1, 42, 123, 2**31 + 5, 2**32 - 1]
SIZES = [1, 2, 5, 15, 16, 17, 31, 32, 33, 100]
FLOATS = {"f32": torch.float32, "f64": torch.float64}

# Rows of sequence.*.arg.calls: (function, size). README.md lists the functions.
CALLS = [
    lambda n: torch.rand(n),
    lambda n: torch.randn(n),
    lambda n: torch.rand(n, dtype=torch.float64),
    lambda n: torch.randn(n, dtype=torch.float64),
    lambda n: torch.randint(-7, 12, (n,)),
    lambda n: torch.randperm(n),
    lambda n: torch.empty(n).bernoulli_(0.3),
    lambda n: torch.empty(n).exponential_(1.5),
    lambda n: torch.randint(0, 2**33, (n,)),
]
RAND, RANDN, RAND64, RANDN64, RANDINT, RANDPERM, BERNOULLI, EXPONENTIAL, RANDINT64 = range(len(CALLS))
SEQUENCES = {
    "spare": [[RANDN, 3], [RANDN, 3]],
    "spare_survives": [[RANDN, 3], [RAND, 2], [RANDN, 20], [RANDN, 1], [RANDN, 1]],
    "spare_across_dtypes": [[RANDN, 1], [RANDN64, 1], [RANDN64, 5], [RANDN, 2]],
    "tail_then_more": [[RANDN, 17], [RAND, 1], [RANDN64, 19], [RAND64, 1]],
    "mixed": [[RANDPERM, 5], [RANDINT, 4], [RANDN, 15], [BERNOULLI, 3], [EXPONENTIAL, 3],
              [RANDN, 15], [RANDINT64, 2], [RAND, 1]],
    "empty": [[RANDN, 0], [RAND, 0], [RANDPERM, 0], [RANDPERM, 1], [RANDN, 3]],
}

golden = Golden()


def draw(case, seed, function, inputs=(), **arguments):
    def seeded(*tensors):
        torch.manual_seed(seed)
        return function(*tensors)

    golden.values(case, seeded, inputs, seed=seed, **arguments)


for seed in SEEDS:
    for dtype_name, dtype in FLOATS.items():
        for n in SIZES + ([1000] if seed in (0, 42) else []):
            draw(f"rand.{dtype_name}_s{seed}_n{n}", seed, lambda: torch.rand(n, dtype=dtype))
            draw(f"randn.{dtype_name}_s{seed}_n{n}", seed, lambda: torch.randn(n, dtype=dtype))
    for n in [0, 1, 2, 10] + ([1000] if seed in (0, 42) else []):
        draw(f"randperm.s{seed}_n{n}", seed, lambda: torch.randperm(n))
    for name, calls in SEQUENCES.items():
        draw(f"sequence.{name}_s{seed}", seed, lambda: [CALLS[f](n) for f, n in calls], calls=calls)

for name, seed in [("minus_1", -1), ("2_32_plus_1", 2**32 + 1), ("most_negative", -(2**63))]:
    draw(f"rand.seed_{name}", seed, lambda: torch.rand(5))

for seed in (0, 42):
    for shape in ([3, 5], [1, 17], [4, 4], [2, 3, 7], [31, 3], []):
        name = "x".join(map(str, shape)) or "scalar"
        for dtype_name, dtype in FLOATS.items():
            draw(f"rand.{dtype_name}_s{seed}_{name}", seed, lambda: torch.rand(shape, dtype=dtype))
            draw(f"randn.{dtype_name}_s{seed}_{name}", seed, lambda: torch.randn(shape, dtype=dtype))
    for name, low, high in [("small", 0, 10), ("negative", -5, 17), ("one", 3, 4), ("odd", 0, 1000003),
                            ("below_2_28", 0, 2**28 - 1), ("at_2_32", 0, 2**32),
                            ("above_2_32", -(2**40), 2**41 + 3)]:
        for n in (1, 33):
            draw(f"randint.{name}_s{seed}_n{n}", seed, lambda: torch.randint(low, high, (n,)),
                 low=low, high=high)
    draw(f"randint.shape_s{seed}", seed, lambda: torch.randint(1, 100, (3, 5)), low=1, high=100)
    for dtype_name, dtype in FLOATS.items():
        suffix = f"{dtype_name}_s{seed}"
        for n in (5, 33):
            for name, low, high in [("wide", -2.5, 7.25), ("bound", -0.3, 0.3),
                                    ("root", -(3**-0.5), 3**-0.5)]:
                draw(f"uniform_.{name}_{suffix}_n{n}", seed,
                     lambda: torch.empty(n, dtype=dtype).uniform_(low, high), low=low, high=high)
            for name, mean, std in [("shifted", 1.5, 0.25), ("wide", -3.0, 10.0), ("constant", 2.0, 0.0)]:
                draw(f"normal_.{name}_{suffix}_n{n}", seed,
                     lambda: torch.empty(n, dtype=dtype).normal_(mean, std), mean=mean, std=std)
            for rate in (1.0, 2.5):
                draw(f"exponential_.rate{rate:g}_{suffix}_n{n}".replace("2.5", "2_5"), seed,
                     lambda: torch.empty(n, dtype=dtype).exponential_(rate), rate=rate)
        draw(f"normal_.transposed_{suffix}", seed,
             lambda: torch.empty(7, 3, dtype=dtype).t().normal_(0.0, 1.0), mean=0.0, std=1.0)
        for name, p in [("p0", 0.0), ("p03", 0.3), ("p1", 1.0)]:
            draw(f"bernoulli_.{name}_{suffix}", seed, lambda: torch.empty(41, dtype=dtype).bernoulli_(p), p=p)
        draw(f"bernoulli.{suffix}", seed, torch.bernoulli, [torch.linspace(0, 1, 41, dtype=dtype)])
        draw(f"bernoulli.matrix_{suffix}", seed, torch.bernoulli, [torch.full((5, 7), 0.5, dtype=dtype)])
        for name, p in [("p0", 0.0), ("p03", 0.3), ("p05", 0.5), ("p1", 1.0)]:
            draw(f"dropout.{name}_{suffix}", seed,
                 lambda x: torch.nn.functional.dropout(x, p, training=True),
                 [torch.linspace(-1, 1, 35, dtype=dtype).reshape(5, 7)], p=p)
        weights = torch.tensor([0.1, 0.0, 0.4, 2.0, 0.5, 0.01, 0.3], dtype=dtype)
        rows = torch.stack([weights, weights.flip(0), torch.ones_like(weights)])
        for name, probabilities, samples, replacement in [
                ("without_1", weights, 1, False), ("without_4", weights, 4, False),
                ("without_6", weights, 6, False), ("with_1", weights, 1, True),
                ("with_50", weights, 50, True), ("rows_without_3", rows, 3, False),
                ("rows_with_5", rows, 5, True)]:
            draw(f"multinomial.{name}_{suffix}", seed,
                 lambda x: torch.multinomial(x, samples, replacement), [probabilities],
                 num_samples=samples, replacement=replacement)

golden.write("random.safetensors")
