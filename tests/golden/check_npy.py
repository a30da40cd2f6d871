"""Reads an .npy or .npz file of this library with NumPy; with --write, writes files for this library to read.

    /usr/bin/python3 check_npy.py FILE             name, type, shape, sum of every array
    /usr/bin/python3 check_npy.py --write FOLDER   writes the files that tests/tensor/io/npy_test.cc reads
"""

import sys
import zipfile

import numpy as np

ARRAYS = {
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "matrix": np.arange(15, dtype=np.float64).reshape(3, 5) / 8,
    "head.weight": np.array([[-1.5, 0.25, np.inf]], np.float32),
    "ids": np.array([-1, 0, 2**62], np.int64),
    "mask": np.array([True, False, True]),
    "folder/caf\u00e9": np.array([7], np.int64),
    "fortran": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
    "big": np.array([1.5, -2.0], ">f8"),
    "half": np.array([1.0, -0.5, 65504.0], np.float16),
    "short": np.array([-32768, 5], ">i2"),
    "byte": np.array([0, 255], np.uint8),
}


def describe(name, array):
    with np.errstate(invalid="ignore"):
        total = array.sum(dtype=np.float64) if array.dtype.kind == "f" else array.sum(dtype=np.int64)
    print(name, array.dtype.str, list(array.shape), f"{total:.17g}" if array.dtype.kind == "f" else total)


def write(folder):
    for name in ("matrix", "fortran", "scalar"):
        np.save(f"{folder}/{name}.npy", ARRAYS[name])
    for version in ((2, 0), (3, 0)):
        with open(f"{folder}/version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, ARRAYS["matrix"], version=version)
    np.savez(f"{folder}/arrays.npz", **ARRAYS)
    np.savez(f"{folder}/nothing.npz")
    np.savez_compressed(f"{folder}/compressed.npz", a=ARRAYS["matrix"])
    np.save(f"{folder}/objects.npy", np.array([{}, None], object), allow_pickle=True)
    np.save(f"{folder}/records.npy", np.zeros(2, [("a", "<f4"), ("b", "<i8")]))
    np.save(f"{folder}/complex.npy", np.zeros(2, np.complex64))
    np.save(f"{folder}/text.npy", np.array(["a", "bc"]))


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--write":
        write(arguments[1])
    elif len(arguments) == 1 and arguments[0].endswith(".npz"):
        if zipfile.ZipFile(arguments[0]).testzip() is not None:
            sys.exit("a checksum differs")
        with np.load(arguments[0], allow_pickle=False) as arrays:
            for name in arrays.files:
                describe(name, arrays[name])
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        describe("array", np.load(arguments[0], allow_pickle=False))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
