#!/usr/bin/python3
"""Compares word2vec with gensim's, each with one worker, on the same text in the same run.

  word2vec_gensim.py DATA [--seeds N] [--program FILE]

DATA is a folder with books/*.txt and wordsim/EN-WS-353-ALL.txt. The text is all books in lowercase
without punctuation, a paragraph on each line. Every hundredth line is held out. Both learn from the other
lines: 100 dimensions, window 5, 5 negatives, 5 epochs, sample 1e-3, words that occur 5 times.

words/s is per second of processor time: the time of 5 epochs less that of 1, of the whole process; so
reading the text is not counted. The two programs take turns. Spearman's correlation (x 100) is with
WordSim-353. The held-out loss is computed by this script, from both tables of each program: the mean over
all pairs of words at most 5 apart of -log s(x.v) - sum of log s(-x.n), with 5 negatives n that are drawn once
for all, with probabilities proportional to count^0.75. For CBOW, x is the mean of the words nearby.
Needs gensim (Debian: python3-gensim) and a fast BLAS (libopenblas0).
"""
import argparse
import glob
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DIM, WINDOW, NEGATIVE = 100, 5, 5


def prepare(data, folder):
    """Writes train.txt and held.txt, and returns the number of words in train.txt."""
    lines = []
    for path in sorted(glob.glob(f"{data}/books/*.txt")):
        with open(path, encoding="utf-8", errors="replace") as file:
            for paragraph in re.split(r"\n\s*\n", file.read()):
                words = re.findall("[a-z]+", paragraph.lower())
                if words:
                    lines.append(" ".join(words) + "\n")
    for name, held in (("train", False), ("held", True)):
        with open(f"{folder}/{name}.txt", "w", encoding="ascii") as file:
            file.writelines(line for i, line in enumerate(lines) if (i % 100 == 99) == held)
    return sum(len(line.split()) for i, line in enumerate(lines) if i % 100 != 99)


# The programs: each returns words, and two tables in their order -----------------------------------


def run_gensim(folder, out, seed, epochs, sg):
    from gensim.models import word2vec
    with open(f"{folder}/train.txt", encoding="ascii") as file:
        sentences = [line.split() for line in file]
    model = word2vec.Word2Vec(sentences, vector_size=DIM, window=WINDOW, negative=NEGATIVE, sample=1e-3,
                              min_count=5, workers=1, sg=sg, seed=seed, epochs=epochs,
                              alpha=0.025)
    np.savez(out, words=model.wv.index_to_key, input=model.wv.vectors, output=model.syn1neg)


def read_checkpoint(path):
    """The metadata and the tensors of float32 of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        tensors = {}
        for name, entry in header.items():
            if entry.get("dtype") == "F32":
                begin, end = entry["data_offsets"]
                file.seek(start + begin)
                tensors[name] = np.frombuffer(file.read(end - begin), "<f4").reshape(entry["shape"])
    return header["__metadata__"], tensors


def processor_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Gensim:
    def __init__(self, sg):
        self.sg = sg

    def train(self, folder, seed, epochs):
        out = f"{folder}/gensim.npz"
        seconds = processor_seconds([sys.executable, __file__, "--gensim", folder, out, str(seed), str(epochs),
                                     str(self.sg)])
        return seconds, lambda: self.tables(out)

    @staticmethod
    def tables(out):
        saved = np.load(out)
        return list(saved["words"]), saved["input"], saved["output"]


class Ours:
    def __init__(self, program, options):
        self.program = program
        self.options = options

    def train(self, folder, seed, epochs):
        state = f"{folder}/state"
        seconds = processor_seconds(
            [self.program, "--input", f"{folder}/train.txt", "--output", f"{folder}/ours.vec", "--checkpoint", state,
             "--tokens", "spaces", "--held-out", "0", "--epochs", str(epochs), "--seed", str(seed)]
            + self.options)
        return seconds, lambda: self.tables(state)

    @staticmethod
    def tables(state):
        metadata, tensors = read_checkpoint(state)
        return (metadata["words"].splitlines(), tensors["model.input.weight"],
                tensors["model.output.weight"])


# The measures --------------------------------------------------------------------------------------


def spearman(words, vectors, data):
    from scipy.stats import spearmanr
    row = {word: i for i, word in enumerate(words)}
    human, cosine = [], []
    with open(f"{data}/wordsim/EN-WS-353-ALL.txt", encoding="utf-8") as file:
        for line in file:
            fields = line.split("\t")
            if len(fields) < 3 or line.startswith("#"):
                continue
            a, b = row.get(fields[0].lower()), row.get(fields[1].lower())
            if a is None or b is None:
                continue
            human.append(float(fields[2]))
            cosine.append(vectors[a] @ vectors[b] /
                          (np.linalg.norm(vectors[a]) * np.linalg.norm(vectors[b])))
    return 100 * spearmanr(human, cosine).correlation


class HeldOut:
    """Pairs and negatives as words, drawn once."""

    def __init__(self, folder):
        counts = {}
        with open(f"{folder}/train.txt", encoding="ascii") as file:
            for line in file:
                for word in line.split():
                    counts[word] = counts.get(word, 0) + 1
        self.words = sorted((w for w in counts if counts[w] >= 5), key=lambda w: (-counts[w], w))
        row = {word: i for i, word in enumerate(self.words)}
        share = np.array([counts[w] for w in self.words], float) ** 0.75
        generator = np.random.default_rng(0)
        self.centers, self.nearby = [], []
        with open(f"{folder}/held.txt", encoding="ascii") as file:
            for line in file:
                ids = [row[w] for w in line.split() if w in row]
                for i, word in enumerate(ids):
                    near = ids[max(0, i - WINDOW):i] + ids[i + 1:i + 1 + WINDOW]
                    if near:
                        self.centers.append(word)
                        self.nearby.append(near)
        self.negatives = generator.choice(len(self.words), (len(self.centers), NEGATIVE),
                                          p=share / share.sum())

    def loss(self, words, inputs, outputs, mean):
        where = {word: i for i, word in enumerate(words)}
        order = [where[word] for word in self.words]
        inputs, outputs = inputs[order].astype(np.float64), outputs[order].astype(np.float64)
        total = count = 0
        for center, near, negatives in zip(self.centers, self.nearby, self.negatives):
            x = inputs[near]
            if mean:
                x = x.mean(0, keepdims=True)
            total += np.logaddexp(0, -(x @ outputs[center])).sum()
            total += np.logaddexp(0, x @ outputs[negatives].T).sum()
            count += len(x)
        return total / count


def main():
    if sys.argv[1:2] == ["--gensim"]:
        folder, out, *numbers = sys.argv[2:]
        run_gensim(folder, out, *map(int, numbers))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--program", default=f"{ROOT}/build/release/examples/word2vec")
    arguments = parser.parse_args()
    cbow = ["--arch", "cbow"]
    runs = {"gensim, skip-gram": (Gensim(1), False),
            "per-pair negatives": (Ours(arguments.program, []), False),
            "shared negatives": (Ours(arguments.program, ["--negatives", "shared"]), False),
            "gensim, CBOW": (Gensim(0), True),
            "CBOW": (Ours(arguments.program, cbow), True),
            "CBOW, --sum-gradient": (Ours(arguments.program, cbow + ["--sum-gradient"]), True)}
    with tempfile.TemporaryDirectory() as folder:
        train_words = prepare(arguments.data, folder)
        held_out = HeldOut(folder)
        print(f"{train_words:,} words; {len(held_out.centers):,} are held out")
        figures = {name: [] for name in runs}
        for seed in range(1, arguments.seeds + 1):
            for name, (program, mean) in runs.items():
                one, _ = program.train(folder, seed, 1)
                five, tables = program.train(folder, seed, 5)
                words, inputs, outputs = tables()
                figures[name].append((4 * train_words / (five - one), spearman(words, inputs, arguments.data),
                                      held_out.loss(words, inputs, outputs, mean)))
                print(seed, name, figures[name][-1], flush=True)
    print(f"\n{'':22} {'words/s':>12} {'of gensim':>10} {'WordSim':>16} {'held-out loss':>16}")
    for name, rows in figures.items():
        speed, score, loss = np.array(rows).T
        peer = np.array(figures["gensim, CBOW" if "CBOW" in name else "gensim, skip-gram"])[:, 0]
        print(f"{name:22} {speed.mean():12,.0f} {np.mean(speed / peer):9.2f}x {score.mean():8.1f} +-{score.std(ddof=1):4.1f}"
              f" {loss.mean():10.4f} +-{loss.std(ddof=1):.4f}")


if __name__ == "__main__":
    main()
