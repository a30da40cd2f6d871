#!/usr/bin/env python3
"""Compares the text classifier without options with fastText and with TF-IDF and a linear SVM.

  text_classifiers.py DATA [--seeds N] [--sets "NAME;..."] [--held-out] [--program FILE] [--options "..."]
  text_classifiers.py DATA --speed

DATA is a folder with trec/, ag_news/, thucnews/, tinyshakespeare/ and books/; sets whose files are
absent are left out. All three read the same file in fastText's format, with the same tokens. A figure
is the mean over seeds, and the interval is the mean plus or minus what 95 % of means of so many runs
stay within (Student's t). A seed decides the initial weights; for the sets that are drawn (500 texts of AG
News, 100 of TREC, 60 positives) it also decides which texts are drawn.

--held-out replaces every test set by a fifth of the training texts: the settings of the default were
chosen with it, so that no test text was looked at. --speed prints the processor time from a file to a model
on AG News with equal passes (25) and equal sizes, on one thread, without a search. Needs fasttext and scikit-learn (Debian: fasttext,
python3-sklearn); one thread each.
"""
import argparse
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TAPEGRAD_NUM_THREADS"):
    os.environ[name] = "1"

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# The data: lists of (label, text) -----------------------------------------------------------------


def read(path, encoding="utf-8"):
    with open(path, encoding=encoding, newline=None) as file:
        return file.read()


def trec(data, fine=False):
    def rows(name):
        result = []
        for line in read(f"{data}/trec/{name}", "latin-1").splitlines():
            label, text = line.split(" ", 1)
            result.append((label if fine else label.split(":")[0], text))
        return result
    return rows("train_5500.label"), rows("TREC_10.label")


def ag_news(data):
    import csv
    def clean(text):
        text = re.sub(r"&?(#39|apos);", "'", text)
        text = re.sub(r"&?quot;", '"', text)
        text = re.sub(r"&?(amp|lt|gt|nbsp|#\d+);", " ", text)
        return re.sub(r"<[^>]*>", " ", text.replace("\\", " "))
    def rows(name):
        with open(f"{data}/ag_news/{name}", encoding="utf-8", newline="") as file:
            return [(row[0], clean(" ".join(row[1:]))) for row in csv.reader(file) if row[0] in "1234"]
    return rows("train_23690.csv"), rows("test.csv")


def thucnews(data):
    def rows(name):
        lines = read(f"{data}/thucnews/{name}").splitlines()
        return [tuple(reversed(line.rsplit("\t", 1))) for line in lines if "\t" in line]
    return rows("dev.txt"), rows("test.txt")


def questions(_):
    def rows(name):
        lines = read(f"{ROOT}/examples/text_classifier/data/questions_{name}.tsv").splitlines()
        return [tuple(reversed(line.rsplit("\t", 1))) for line in lines if "\t" in line]
    return rows("train"), rows("test")


def novels(data):
    """Sentences of 5 to 60 words: from a novel of Charlotte Bronte's, or from War and Peace."""
    both = []
    for name, label in (("bronte", "Bronte"), ("warandpeace", "Tolstoy")):
        text = read(f"{data}/books/{name}.txt")
        text = text.split("*** END OF")[0].split("*** START OF")[-1]
        sentences = re.split(r"(?<=[.!?])[\"'\u201d\u2019]*\s+", " ".join(text.split()))
        both.append([(label, s) for s in sentences if 5 <= len(s.split()) <= 60])
    draw = random.Random(1)
    rows = draw.sample(both[0], 3000) + draw.sample(both[1], 3000)
    draw.shuffle(rows)
    return rows[:4000], rows[4000:]


def speakers(data):
    """What the ten people with the most lines in the plays say."""
    speeches = {}
    for block in read(f"{data}/tinyshakespeare/input.txt").split("\n\n"):
        name, _, text = block.partition(":\n")
        if text.strip():
            speeches.setdefault(name, []).append(" ".join(text.split()))
    most = sorted(speeches, key=lambda name: (-len(speeches[name]), name))[:10]
    rows = [(name.replace(" ", "_"), text) for name in most for text in speeches[name]]
    random.Random(1).shuffle(rows)
    cut = len(rows) * 4 // 5
    return rows[:cut], rows[cut:]


def drawn(rows, count, seed):
    return random.Random(1000 + seed).sample(rows, count)


def rare(rows, test, seed):
    """60 texts of class 1 among 4,000; the test has all texts of class 1 and the others."""
    draw = random.Random(1000 + seed)
    positive = [("yes", text) for label, text in rows if label == "1"]
    negative = [("no", text) for label, text in rows if label != "1"]
    train = draw.sample(positive, 60) + draw.sample(negative, 3940)
    draw.shuffle(train)
    return train, [("yes" if label == "1" else "no", text) for label, text in test]


SETS = {
    "TREC": lambda data, seed: trec(data),
    "TREC, 50 classes": lambda data, seed: trec(data, fine=True),
    "AG News": lambda data, seed: ag_news(data),
    "AG News, 500 texts": lambda data, seed: (lambda a, b: (drawn(a, 500, seed), b))(*ag_news(data)),
    "THUCNews": lambda data, seed: thucnews(data),
    "whose novel": lambda data, seed: novels(data),
    "who speaks": lambda data, seed: speakers(data),
    "bundled questions": lambda data, seed: questions(data),
    "TREC, 100 texts": lambda data, seed: (lambda a, b: (drawn(a, 100, seed), b))(*trec(data)),
    "AG News, 60 of 4,000": lambda data, seed: (lambda a, b: rare(a, b, seed))(*ag_news(data)),
}


def held_out(name, data, seed):
    """The same sizes, but the test texts are training texts that the seed holds out."""
    draw = random.Random(seed)
    full = {"TREC, 100 texts": trec, "AG News, 500 texts": ag_news, "AG News, 60 of 4,000": ag_news}
    rows = list((full[name](data) if name in full else SETS[name](data, seed))[0])
    draw.shuffle(rows)
    cut = len(rows) // 5
    test, rest = rows[:cut], rows[cut:]
    if name == "TREC, 100 texts":
        return rest[:100], test
    if name == "AG News, 500 texts":
        return rest[:500], test
    if name == "AG News, 60 of 4,000":
        return rare(rest, test, seed)
    return rest, test


# The three ----------------------------------------------------------------------------------------

CJK = "\u3000-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
TOKEN = re.compile(rf"[{CJK}]|[^\W_{CJK}]+|[^\w\s]|_")


def write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for label, text in rows:
            tokens = " ".join(TOKEN.findall(text.lower().replace("__label__", " "))) or "."
            file.write(f"__label__{label} {tokens}\n")


def run(words, **more):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, capture_output=True, text=True, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr[-500:]}")
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, seconds


def scores(truth, predicted, probability):
    """Accuracy, macro F1, and the expected calibration error of 15 bins (None without probabilities)."""
    labels = sorted(set(truth) | set(predicted))
    right = [a == b for a, b in zip(truth, predicted)]
    f1 = []
    for label in labels:
        both = sum(a == b == label for a, b in zip(truth, predicted))
        one = truth.count(label) + predicted.count(label)
        f1.append(2 * both / one)
    error = None
    if probability is not None:
        bins = [[0, 0.0] for _ in range(15)]
        for p, ok in zip(probability, right):
            entry = bins[min(int(p * 15), 14)]
            entry[0] += 1
            entry[1] += p - ok
        error = sum(abs(difference) for _, difference in bins) / len(truth)
    return 100 * sum(right) / len(right), 100 * sum(f1) / len(f1), error


def ours(folder, truth, seed, settings):
    words = [settings.program, "train", "--train", f"{folder}/train", "--out", f"{folder}/ours"]
    _, seconds = run(words + ["--seed", str(seed)] + settings.options.split())
    lines = read(f"{folder}/test").splitlines()
    texts = "".join(line.split(" ", 1)[1] + "\n" for line in lines)
    answers, _ = run([settings.program, "predict", "--model", f"{folder}/ours"], input=texts)
    pairs = [line.split("  ", 2) for line in answers.splitlines()]
    result = scores(truth, [label for label, *_ in pairs], [float(p) for _, p, *_ in pairs])
    return *result, seconds, os.path.getsize(f"{folder}/ours/model.safetensors")


def fasttext(folder, truth, seed, settings):
    words = ["fasttext", "supervised", "-input", f"{folder}/train", "-output", f"{folder}/fasttext"]
    words += ["-wordNgrams", "2", "-dim", "64", "-lr", "0.5", "-epoch", "25", "-bucket", "200000"]
    _, seconds = run(words + ["-thread", "1", "-seed", str(seed), "-verbose", "0"])
    answers, _ = run(["fasttext", "predict-prob", f"{folder}/fasttext.bin", f"{folder}/test"])
    pairs = [line.split() for line in answers.splitlines()]
    predicted = [label.removeprefix("__label__") for label, _ in pairs]
    result = scores(truth, predicted, [min(float(p), 1.0) for _, p in pairs])
    return *result, seconds, os.path.getsize(f"{folder}/fasttext.bin")


def svm(folder, truth, seed, settings):
    import pickle
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC
    def rows(name):
        lines = [line.split(" ", 1) for line in read(f"{folder}/{name}").splitlines()]
        return [a.removeprefix("__label__") for a, _ in lines], [b for _, b in lines]
    begin = time.process_time()
    labels, texts = rows("train")
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(words, LinearSVC(random_state=seed))
    model.fit(texts, labels)
    seconds = time.process_time() - begin
    predicted = list(model.predict(rows("test")[1]))
    return *scores(truth, predicted, None), seconds, len(pickle.dumps(model))


# The table ----------------------------------------------------------------------------------------

STUDENT = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def mean_and_half(values):
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, STUDENT.get(len(values), 2.0) * (variance / len(values)) ** 0.5


def row_of(name, peer, results):
    columns = list(zip(*results))
    shown = []
    for values, digits in ((columns[0], 1), (columns[1], 1)):
        mean, half = mean_and_half(values)
        shown.append(f"{mean:.{digits}f} ± {half:.{digits}f}")
    shown.append("" if columns[2][0] is None else f"{mean_and_half(columns[2])[0]:.3f}")
    shown.append(f"{mean_and_half(columns[3])[0]:.2f}")
    shown.append(f"{mean_and_half(columns[4])[0] / 1e6:.2f}")
    return f"| {name} | {peer} | " + " | ".join(shown) + " |"


def speed(settings):
    train, test = ag_news(settings.data)
    ours_sgd = "--epochs 25 --dim 64 --ngrams 2 --optimizer sgd --batch 8 --dropout 0"
    print("| AG News, 25 passes | accuracy, % | seconds, median of 3 |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/train", train)
        write(f"{folder}/test", test)
        truth = [label for label, _ in test]
        for name, peer, options in (("tapegrad, SGD", ours, ours_sgd),
                                    ("tapegrad, Adam", ours, "--epochs 25"), ("fastText", fasttext, "")):
            settings.options = options
            results = sorted((peer(folder, truth, 0, settings) for _ in range(3)), key=lambda row: row[3])
            print(f"| {name} | {results[1][0]:.1f} | {results[1][3]:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", default=";".join(SETS))
    parser.add_argument("--peers", default="ours,fasttext,svm")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--program", default=f"{ROOT}/build/release/examples/text_classifier")
    parser.add_argument("--options", default="")
    parser.add_argument("--speed", action="store_true")
    settings = parser.parse_args()
    if settings.speed:
        speed(settings)
        return
    names = {"ours": "tapegrad", "fasttext": "fastText", "svm": "TF-IDF, SVM"}
    print("| data | | accuracy, % | macro F1, % | calibration error | seconds | MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in settings.sets.split(";"):
        results = {peer: [] for peer in settings.peers.split(",")}
        for seed in range(settings.seeds):
            try:
                load = held_out if settings.held_out else lambda n, d, s: SETS[n](d, s)
                train, test = load(name, settings.data, seed)
            except FileNotFoundError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                break
            with tempfile.TemporaryDirectory() as folder:
                write(f"{folder}/train", train)
                write(f"{folder}/test", test)
                truth = [label for label, _ in test]
                for peer in results:
                    results[peer].append(globals()[peer](folder, truth, seed, settings))
        for peer, values in results.items():
            if values:
                print(row_of(name, names[peer], values), flush=True)


if __name__ == "__main__":
    main()
