#!/usr/bin/python3
"""The claim: the memory of word2vec depends on the number of different words, not on the length of the text.

  word2vec_memory.py [--megabytes N] [--words N] [--program FILE] [-- OPTIONS OF word2vec]

Writes a text of N megabytes (default: 1000) with up to --words different words (default: 200,000), whose
frequencies follow Zipf's law, runs word2vec on it, and prints its last line and its largest memory.
Needs numpy (Debian: python3-numpy), and room for the text in the folder of temporary files.
"""
import argparse
import os
import resource
import subprocess
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def write_text(path, megabytes, words):
    names = np.array([f"w{i}" for i in range(words)], dtype=object)
    cumulative = np.cumsum(1 / (np.arange(words) + 10.0))
    generator = np.random.default_rng(0)
    written = 0
    with open(path, "w", encoding="ascii") as file:
        while written < megabytes * 1_000_000:
            drawn = np.searchsorted(cumulative, generator.random(200_000) * cumulative[-1])
            lines = (" ".join(names[line]) for line in drawn.reshape(-1, 20))
            written += file.write("\n".join(lines) + "\n")
    return written


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--words", type=int, default=200_000)
    parser.add_argument("--program", default=f"{ROOT}/build/release/examples/word2vec")
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = write_text(f"{folder}/text", arguments.megabytes, arguments.words)
        begin = time.time()
        result = subprocess.run([arguments.program, "--input", f"{folder}/text", "--output", f"{folder}/vec",
                                 "--tokens", "spaces", "--epochs", "1"] + arguments.options,
                                check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        seconds = time.time() - begin
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        print(result.stdout.strip().replace(folder + "/", ""))
        print(f"{size / 1e6:,.0f} MB of text, {seconds:,.0f} s; largest memory {largest / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
