"""PyTorch's CPU generator in plain Python, compared with random.safetensors.

Needs numpy (for the words of MT19937), not PyTorch. README.md describes the same algorithm.
"""

import math
import os

import numpy as np

import safetensors_io

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def fma(a, b, c, dtype=F32):
    """a * b + c rounded once: long double holds the product of two float32 exactly, and of two float64 nearly."""
    wide = np.longdouble
    return (np.asarray(a, dtype).astype(wide) * np.asarray(b, dtype).astype(wide)
            + np.asarray(c, dtype).astype(wide)).astype(dtype)


def polynomial(x, coefficients):
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y = fma(y, x, np.float32(coefficient))
    return y


def log32(x):
    """Cephes' logf; products in sums are fused, except where they are written separately."""
    bits = x.view(np.int32)
    e = ((bits >> 23) - 126).astype(np.float32)
    x = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)  # mantissa in [0.5, 1)
    low = x < np.float32(0.707106781186547524)
    e = e - low.astype(np.float32)
    x = (x - np.float32(1)) + np.where(low, x, np.float32(0))
    z = x * x
    y = polynomial(x, [7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                       -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1]) * x
    y = fma(y, z, e * np.float32(-2.12194440e-4))
    y = fma(-z, np.float32(0.5), y)
    return fma(e, np.float32(0.693359375), x + y)


def sincos32(x):
    """Cephes' sinf and cosf for x >= 0."""
    octant = ((x * np.float32(1.27323954473516)).astype(np.int32) + 1) & ~1
    y = octant.astype(np.float32)
    for part in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8):  # x - octant * pi / 4
        x = fma(y, np.float32(part), x)
    z = x * x
    cosine = polynomial(z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]) * z
    cosine = fma(cosine, z, -(z * np.float32(0.5))) + np.float32(1)
    sine = polynomial(z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]) * z
    sine = fma(sine, x, x)
    swap = (octant & 2) != 0
    s, c = np.where(swap, cosine, sine), np.where(swap, sine, cosine)
    return np.where(octant & 4, -s, s), np.where((octant - 2) & 4, c, -c)


class Generator:
    def __init__(self, seed):
        self.engine = np.random.MT19937()
        self.engine._legacy_seeding(seed & 0xFFFFFFFF)
        self.spare = None

    def word(self):
        return int(self.engine.random_raw())

    def word64(self):
        high = self.word()
        return (high << 32) | self.word()

    def double(self):
        return (self.word64() & ((1 << 53) - 1)) * 2.0**-53

    def uniform(self, n, dtype):
        if dtype == F32:
            return np.array([(self.word() & 0xFFFFFF) * 2.0**-24 for _ in range(n)], F32)
        return np.array([self.double() for _ in range(n)], F64)

    def normal_one(self):
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        u1, u2 = self.double(), self.double()
        radius, angle = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    @staticmethod
    def normal_block(block, mean, std):
        u1, u2 = 1 - block[:8], block[8:]
        if block.dtype == F32:
            radius = np.sqrt(np.float32(-2) * log32(u1))
            sine, cosine = sincos32(np.float32(2 * math.pi) * u2)
            return fma(np.concatenate([radius * cosine, radius * sine]), np.float32(std), np.float32(mean))
        radius = np.array([math.sqrt(-2 * math.log(u)) for u in u1])
        cosine, sine = ([function(2 * math.pi * u) for u in u2] for function in (math.cos, math.sin))
        return np.concatenate([radius * cosine, radius * sine]) * std + mean

    def normal(self, n, dtype, mean=0.0, std=1.0):
        if n < 16:
            return np.array([self.normal_one() * std + mean for _ in range(n)], dtype)
        values = self.uniform(n, dtype)
        for i in range(0, n - 15, 16):
            values[i:i + 16] = self.normal_block(values[i:i + 16], mean, std)
        if n % 16:
            values[-16:] = self.normal_block(self.uniform(16, dtype), mean, std)
        return values

    def integers(self, low, high, n):
        draw = self.word64 if high - low >= 2**32 else self.word
        return np.array([draw() % (high - low) + low for _ in range(n)], np.int64)

    def permutation(self, n):
        order = list(range(n))
        for i in range(n - 1):
            j = i + self.word() % (n - i)
            order[i], order[j] = order[j], order[i]
        return np.array(order, np.int64)

    def exponential(self, n, dtype, rate):
        return np.array([-1 / rate * math.log(1 - self.double()) for _ in range(n)], dtype)

    def bernoulli(self, n, p, dtype):
        return np.array([self.double() < p for _ in range(n)], dtype)

    def multinomial(self, weights, samples, replacement):
        if not replacement:
            scores = weights / self.exponential(weights.size, weights.dtype, 1.0).reshape(weights.shape)
            return np.argsort(-scores, axis=-1, kind="stable")[..., :samples]
        rows = []
        for row in weights.reshape(-1, weights.shape[-1]):
            sums = np.cumsum(row, dtype=row.dtype)
            sums = (sums / sums[-1]).astype(np.float64)
            rows.append([np.searchsorted(sums, self.double()) for _ in range(samples)])
        return np.array(rows).reshape(weights.shape[:-1] + (samples,))


CALLS = [
    lambda g, n: g.uniform(n, F32), lambda g, n: g.normal(n, F32),
    lambda g, n: g.uniform(n, F64), lambda g, n: g.normal(n, F64),
    lambda g, n: g.integers(-7, 12, n), lambda g, n: g.permutation(n),
    lambda g, n: g.bernoulli(n, 0.3, F32), lambda g, n: g.exponential(n, F32, 1.5),
    lambda g, n: g.integers(0, 2**33, n),
]


def answers(op, variant, g, arg, inputs, out):
    """Draws a case again; `out` is PyTorch's result, which gives the shape and dtype."""
    n, dtype = out.size, out.dtype
    if op == "rand":
        return g.uniform(n, dtype)
    if op == "randn":
        return g.normal(n, dtype)
    if op == "randint":
        return g.integers(arg["low"], arg["high"], n)
    if op == "randperm":
        return g.permutation(n)
    if op == "uniform_":
        low, high = dtype.type(arg["low"]), dtype.type(arg["high"])
        return fma(g.uniform(n, dtype), high - low, low, dtype)
    if op == "normal_" and variant.startswith("transposed"):
        return np.array([g.normal_one() for _ in range(n)], dtype).reshape(7, 3).T
    if op == "normal_":
        return g.normal(n, dtype, arg["mean"], arg["std"])
    if op == "exponential_":
        return g.exponential(n, dtype, arg["rate"])
    if op == "bernoulli_":
        return g.bernoulli(n, arg["p"], dtype)
    if op == "bernoulli":
        return g.uniform(n, dtype) < inputs[0].ravel()
    if op == "multinomial":
        return g.multinomial(inputs[0], arg["num_samples"], arg["replacement"])
    p = arg["p"]
    scale = dtype.type(1) / dtype.type(1 - p) if p < 1 else dtype.type(0)
    kept = g.bernoulli(n, 1 - p, dtype) if 0 < p < 1 else np.ones(n, dtype)
    return inputs[0] * (kept * scale).reshape(inputs[0].shape)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    tensors, _ = safetensors_io.read(os.path.join(here, "random.safetensors"))
    cases = sorted({tuple(name.split(".")[:2]) for name in tensors})
    exact = 0
    for op, variant in cases:
        roles = {name.split(".", 2)[2]: array for name, array in tensors.items()
                 if name.startswith(f"{op}.{variant}.")}
        arg = {role[4:]: array.item() if array.ndim == 0 else array for role, array in roles.items()
               if role.startswith("arg.")}
        inputs = [roles[role] for role in sorted(roles) if role.startswith("in")]
        outs = [roles[f"out{i}"] for i in range(sum(role.startswith("out") for role in roles))]
        g = Generator(arg["seed"])
        if op == "sequence":
            ours = [CALLS[function](g, int(n)) for function, n in arg["calls"]]
        else:
            ours = [answers(op, variant, g, arg, inputs, outs[0])]
        same = True
        for mine, theirs in zip(ours, outs, strict=True):
            mine = np.asarray(mine).astype(theirs.dtype).reshape(theirs.shape)
            same = same and np.array_equal(mine, theirs)
            if not np.allclose(mine, theirs, rtol=1e-15, atol=1e-15):
                raise SystemExit(f"{op}.{variant}: {mine} is not {theirs}")
        exact += same
        if not same:
            print(f"{op}.{variant}: equal except for the last bit of float64")
    print(f"{exact} of {len(cases)} cases are equal to the last bit")


if __name__ == "__main__":
    main()
