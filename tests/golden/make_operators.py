"""Makes operators.safetensors: the remainder, and indexing by ids, masks, slices and new axes."""

import torch

from common import Golden, away, uniform

golden = Golden()
case = golden.gradients
INF, NAN = float("inf"), float("nan")


def remainders():
    for variant, a, b in [("same", (3, 7), (3, 7)), ("long", (37,), (37,)), ("row", (3, 7), (7,)),
                          ("column", (3, 7), (3, 1)), ("scalar_tensor", (), (5,)), ("zero_dims", (), ()),
                          ("both", (4, 1, 3), (5, 1)), ("empty", (0, 3), (3,))]:
        case(f"remainder.{variant}", torch.remainder, [uniform(*a, low=-5.0, high=5.0), away(*b)])
    case("remainder.scalar", lambda x: x % 1.5, [uniform(3, 7, low=-5.0, high=5.0)], scalar_right=1.5)
    case("remainder.negative_scalar", lambda x: x % -1.5, [uniform(3, 7, low=-5.0, high=5.0)],
         scalar_right=-1.5)
    # PyTorch 1.13 has no gradient here.
    case("remainder.scalar_left", lambda x: torch.remainder(2.5, x), [away(3, 7)], backward=False,
         scalar_left=2.5)
    special = torch.tensor([0.0, -0.0, 1.5, -1.5, INF, -INF, NAN, 7.0], dtype=torch.float64)
    for precision, dtype in (("double", torch.float64), ("float", torch.float32)):
        golden.values(f"remainder.special_{precision}", torch.remainder,
                      [special.to(dtype).reshape(8, 1), special.to(dtype)])
    whole = torch.tensor([-7, -6, -1, 0, 1, 6, 7, -2**63, 2**63 - 1])
    divisors = torch.tensor([-3, -2, 1, 2, 3, 7])  # PyTorch ends the process for -2**63 % -1
    golden.values("remainder.integers", torch.remainder, [whole.reshape(9, 1), divisors])
    golden.values("remainder.integer_scalar", lambda x: x % 3, [whole], scalar_right=3)
    golden.values("remainder.integer_scalar_left", lambda x: 7 % x, [divisors], scalar_left=7)
    golden.values("remainder.integer_and_float", torch.remainder, [whole[:7], torch.tensor(2.5)])
    golden.values("remainder.integer_fraction", lambda x: x % 2.5, [whole[:7]], scalar_right=2.5)
    golden.error("remainder.by_integer_zero", torch.remainder, [whole, torch.tensor(0)])
    golden.error("remainder.booleans", torch.remainder,
                 [torch.tensor([True, False]), torch.tensor([True, True])])


def indexing():
    rows = torch.tensor([2, 0, 2, 1])
    for variant, index in [("ids", rows), ("ids_2d", rows.reshape(2, 2)), ("id_0d", torch.tensor(1)),
                           ("negative_ids", torch.tensor([-1, 0, -3])),
                           ("no_ids", torch.tensor([], dtype=torch.int64)),
                           ("mask_of_rows", torch.tensor([True, False, True])),
                           ("mask_of_nothing", torch.zeros(3, dtype=torch.bool))]:
        case(f"getitem.{variant}", lambda x, i: x[i], [uniform(3, 4, 2), index])
    grid = torch.arange(12).reshape(3, 4) % 3 != 0
    case("getitem.mask_of_two_dims", lambda x, i: x[i], [uniform(3, 4, 2), grid])
    case("getitem.mask_of_all", lambda x, i: x[i], [uniform(3, 4), grid])
    case("getitem.strided", lambda x, i: x.t()[i], [uniform(4, 3), grid], transposed=True)
    golden.error("getitem.id_out_of_range", lambda x, i: x[i], [uniform(3, 4), torch.tensor([0, 3])])
    golden.error("getitem.mask_of_other_size", lambda x, i: x[i],
                 [uniform(3, 4), torch.tensor([True, False])])
    for k, call in enumerate([lambda x: x[1, 2], lambda x: x[..., -1], lambda x: x[:, None, 1:3],
                              lambda x: x[::2, 1], lambda x: x[0, ..., 0:1], lambda x: x[None, -1]]):
        case(f"multi_index.call_{k}", call, [uniform(3, 4, 2)], call=k)


if __name__ == "__main__":
    for family in (remainders, indexing):
        family()
    golden.write("operators.safetensors")
