"""Prints the contents of a safetensors file; with --write, writes one for this library to read.

    /usr/bin/python3 check_safetensors.py FILE            name, dtype, shape, sum of every tensor
    /usr/bin/python3 check_safetensors.py --write FILE    writes the example that README.md describes

The exit status is 1, with one line on standard error, when the file breaks a rule of the format.
"""

import sys

import numpy as np

import safetensors_io

EXAMPLE = {
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "matrix": np.arange(15, dtype=np.float64).reshape(3, 5) / 8,
    "head.weight": np.array([[-1.5, 0.25, np.inf]], np.float32),
    "ids": np.array([-1, 0, 2**62], np.int64),
    "mask": np.array([True, False, True]),
}


def describe(path):
    tensors, metadata = safetensors_io.read(path)
    for key, value in sorted(metadata.items()):
        print(f"# {key}: {value}")
    for name, array in sorted(tensors.items()):
        with np.errstate(invalid="ignore"):
            total = f"{array.sum(dtype=np.float64):.17g}" if array.dtype.kind == "f" else array.sum(dtype=np.int64)
        print(f"{name} {safetensors_io.CODES[array.dtype]} {list(array.shape)} {total}")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--write":
        safetensors_io.write(arguments[1], EXAMPLE, {"format": "pt", "note": "caf\u00e9"})
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        try:
            describe(arguments[0])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            sys.exit(f"{type(error).__name__}: {error}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
