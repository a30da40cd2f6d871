"""Makes print.txt, tensors as PyTorch prints them, and print.safetensors, the same tensors."""

import os
import sys

import torch  # the expressions below are evaluated with it

from common import HERE, Golden

EXPRESSIONS = """
torch.tensor(3)
torch.tensor(-3)
torch.tensor(True)
torch.tensor(3.0)
torch.tensor(2.5)
torch.tensor(-0.0)
torch.tensor(1e-5)
torch.tensor(123456789.0)
torch.tensor(0.1, dtype=torch.float64)
torch.tensor(float('nan'))
torch.tensor(float('inf'))
torch.tensor(-float('inf'), dtype=torch.float64)
torch.tensor([])
torch.tensor([], dtype=torch.float64)
torch.tensor([], dtype=torch.int64)
torch.tensor([], dtype=torch.bool)
torch.zeros(0, 3)
torch.zeros(2, 0)
torch.zeros(2, 0, 3, dtype=torch.int64)
torch.zeros(0, 2, dtype=torch.float64)
torch.tensor([1, 2, 3])
torch.tensor([-1, 20, 300])
torch.tensor([5])
torch.tensor([9223372036854775807, -9223372036854775807 - 1])
torch.tensor([[1, -2], [30, 4]])
torch.arange(24).reshape(2, 3, 4)
torch.arange(60).reshape(60)
torch.arange(1000)
torch.arange(1001)
torch.tensor([True, False])
torch.tensor([[True, False], [False, False]])
torch.tensor([1.0, 2.0, 3.0])
torch.tensor([1.0, -2.0, 300.0])
torch.tensor([[1.0, 2.0], [3.0, 4.0]])
torch.tensor([0.0])
torch.zeros(2, 3)
torch.ones(2, 3, dtype=torch.float64)
torch.tensor([-0.0, 0.0])
torch.tensor([1.5, 2.0, -3.25])
torch.tensor([0.1, 0.2, 0.3])
torch.tensor([0.5, 100.25])
torch.tensor([-1.0, 0.123456])
torch.tensor([0.1, 0.2], dtype=torch.float64)
torch.tensor([1.0, 2.0], dtype=torch.float64)
torch.tensor([1e-5, 1.0])
torch.tensor([1e-4, 1e-3])
torch.tensor([9e-5, 5e-5])
torch.tensor([0.001, 1.0])
torch.tensor([0.0009, 1.0])
torch.tensor([1.5, 1500.0])
torch.tensor([1.5, 1501.5])
torch.tensor([1.0, 1000.0])
torch.tensor([1.0, 1001.0])
torch.tensor([1.0, 100000.0])
torch.tensor([1e8, 1.0])
torch.tensor([100000000.0])
torch.tensor([100000001.0], dtype=torch.float64)
torch.tensor([99999999.0], dtype=torch.float64)
torch.tensor([1e10, 1.5])
torch.tensor([1e30, 1e-30, -1.0])
torch.tensor([1e200, 1e-200], dtype=torch.float64)
torch.tensor([12345.678])
torch.tensor([0.99999, 0.999999])
torch.tensor([9.99995, 1.0])
torch.tensor([0.00005])
torch.tensor([0.0, 1e-6])
torch.tensor([float('nan')])
torch.tensor([float('inf'), -float('inf')])
torch.tensor([1.0, float('nan'), float('inf')])
torch.tensor([1.5, float('nan'), -float('inf')])
torch.tensor([1e-6, float('nan'), -float('inf')])
torch.tensor([float('nan'), 1e9])
torch.tensor([[float('nan'), float('inf')], [1.0, -2.0]])
torch.tensor([[0.5, -1.25], [100.0, 3.0]])
torch.tensor([[1e-6, 1.0], [-2.0, 1e5]])
torch.arange(12.0).reshape(2, 2, 3) / 4
torch.arange(24.0).reshape(2, 3, 2, 2)
torch.arange(4.0).reshape(1, 1, 2, 2, 1)
torch.arange(6.0).reshape(3, 1, 2)
torch.arange(20.0)
torch.arange(20.0) / 8
torch.arange(20.0) - 10.5
torch.arange(30) * 1000
torch.arange(25).reshape(1, 25) % 2 == 0
torch.arange(40.0).reshape(2, 20) / 3
torch.arange(40.0, dtype=torch.float64).reshape(2, 20) / 3
torch.arange(1000.0)
torch.arange(1001.0)
torch.arange(1001.0) / 7
torch.arange(1001.0, dtype=torch.float64) / 7
torch.arange(2000) % 3 == 0
torch.arange(1200.0).reshape(30, 40)
torch.arange(1200.0).reshape(30, 40) / 7
torch.arange(1200.0).reshape(1200, 1)
torch.arange(1200).reshape(2, 600)
torch.arange(1008).reshape(7, 8, 18)
torch.arange(1400).reshape(10, 7, 20)
torch.arange(1050.0).reshape(3, 5, 70) / 2
torch.arange(1296).reshape(6, 6, 6, 6)
torch.cat([torch.ones(500), torch.full((1,), 1e9), torch.ones(600)])
torch.cat([torch.ones(2), torch.zeros(1000), torch.full((1,), 0.5)])
torch.zeros(1001)
torch.arange(12.0).reshape(3, 4).t()
torch.arange(12)[::3]
torch.tensor([1.0]).expand(2, 3)
"""


if __name__ == "__main__":
    golden, lines = Golden(), []
    for k, expression in enumerate(EXPRESSIONS.strip().splitlines()):
        value = eval(expression)
        lines += [f"### {expression}  # c{k:03d}", str(value)]
        golden.put(f"print.c{k:03d}.in0", value)
        golden.metadata[f"print.c{k:03d}"] = expression
    with open(os.path.join(HERE, "print.txt"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    print(f"print.txt: {len(golden.tensors)} tensors", file=sys.stderr)
    golden.write("print.safetensors")
