"""Makes rest.safetensors: scatter_reduce, positions as a tuple, batch_norm with running statistics."""

import torch
import torch.nn.functional as F

from common import WORDS, Golden, distinct, exact, uniform

golden = Golden()
INF, NAN = float("inf"), float("nan")


def reductions():
    grid = torch.tensor([[0, 1, 1, 0], [2, 2, 2, 1]])
    rows = torch.tensor([[0, 1, 2], [0, 0, 2], [2, 1, 2], [0, 1, 0]])
    zeros = torch.tensor([[0.0, 0.0, 2.0], [1.5, 0.0, -1.0], [3.0, 0.5, 0.0]], dtype=torch.float64)
    some = torch.tensor([[1.0, 0.0, 2.0], [0.0, 2.0, -1.0], [0.0, 0.5, 1.0], [3.0, 0.0, 4.0]], dtype=torch.float64)
    ties = torch.tensor([[3.0, 1.0, 1.0, 3.0], [2.0, 2.0, 2.0, 1.0]], dtype=torch.float64)
    for reduce in WORDS["reduce"]:
        for self in (True, False):
            def case(name, inputs, dim):
                if reduce.startswith("a") and not self:
                    # PyTorch counts an element of x that does not take part, but equals the result, as a tie.
                    x = inputs[0]
                    inputs[0] = lambda: (x() if callable(x) else x) + 0.0625
                golden.gradients(f"scatter_reduce.{reduce}_{'self' if self else 'alone'}_{name}",
                                 # PyTorch has no gradient for a source that is larger than the index.
                                 lambda x, i, s: x.scatter_reduce(dim, i, s[[slice(n) for n in i.shape]], reduce,
                                                                  include_self=self),
                                 inputs, dim=dim, reduce=reduce, include_self=self)
            case("columns", [distinct(2, 3), grid, distinct(2, 4)], 1)
            case("rows", [distinct(3, 3), rows, distinct(4, 3)], 0)
            case("larger_source", [distinct(3, 5), grid, distinct(3, 6)], 0)
            case("vector", [distinct(5), torch.tensor([4, 0, 4]), distinct(3)], -1)
            case("empty", [distinct(2, 3), torch.zeros(2, 0, dtype=torch.int64), distinct(2, 3)], 1)
            if reduce == "prod":
                case("zeros", [zeros, rows, some], 0)
            if reduce.startswith("a"):
                case("ties", [torch.tensor([[3.0, 0.5, 2.0], [2.0, 1.5, 2.5]], dtype=torch.float64), grid, ties], 1)
            golden.values(f"scatter_reduce.{reduce}_{'self' if self else 'alone'}_integers",
                          lambda x, i, s: x.scatter_reduce(0, i, s, reduce, include_self=self),
                          [torch.tensor([7, -8, 9]), torch.tensor([0, 0, 1, 1]), torch.tensor([2, -4, -9, 4])], dim=0,
                          reduce=reduce, include_self=self)
    for reduce in ("amax", "amin"):
        golden.values(f"scatter_reduce.{reduce}_special", lambda x, i, s: x.scatter_reduce(0, i, s, reduce),
                      [torch.tensor([NAN, INF, -INF, 0.0]), torch.tensor([0, 1, 2, 3]),
                       torch.tensor([1.0, INF, 5.0, NAN])], dim=0, reduce=reduce, include_self=True)


def positions():
    for name, x in [("matrix", torch.tensor([[0.0, 2.0, 0.0], [NAN, 0.0, -1.0]])), ("vector", torch.tensor([0, 3, 0, 1])),
                    ("none", torch.zeros(2, 3)), ("empty", torch.zeros(0, 3)), ("one", torch.tensor(2.0)),
                    ("zero", torch.tensor(0.0)), ("flags", torch.tensor([[[True, False]], [[True, True]]]))]:
        golden.values(f"nonzero_as_tuple.{name}", lambda x: torch.nonzero(x, as_tuple=True), [x])


def norms():
    positive = {"low": 0.5, "high": 2.0}
    for name, shape in [("rows", (4, 3)), ("steps", (2, 3, 5)), ("image", (2, 3, 2, 4)), ("one_row", (1, 3)),
                        ("empty", (0, 3))]:
        inputs = [uniform(*shape), uniform(3), uniform(3, **positive), uniform(3), uniform(3)]
        golden.gradients(f"functional_batch_norm.{name}", lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b, eps=0.1),
                         inputs, constant=(1, 2), eps=0.1)
        if name in ("rows", "steps", "image"):
            golden.gradients(f"functional_batch_norm.training_{name}",
                             lambda x, m, v, w, b: F.batch_norm(x, m.clone(), v.clone(), w, b, True, 0.3), inputs,
                             constant=(1, 2), training=True, momentum=0.3)

            def statistics(x, m, v):
                m, v = m.clone(), v.clone()
                F.batch_norm(x, m, v, training=True, momentum=0.3)
                return m, v
            golden.values(f"running_statistics.{name}", statistics,
                          [uniform(*shape), uniform(3), uniform(3, **positive)], momentum=0.3)


if __name__ == "__main__":
    reductions()
    positions()
    norms()
    golden.write("rest.safetensors")
