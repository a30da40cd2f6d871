#!/usr/bin/env python3
"""The models of examples/char_rnn, tiny_gpt and ngram_lm in PyTorch: held-out loss and speed.

    language_models.py --programs build/release/examples --input text.txt --epochs 2 char_rnn

First runs `PROGRAM train` with `--epochs 0`, which saves the initial weights, and trains the same
model in PyTorch from them: the same batches in the same order, Adam, learning rates and clipping.
Then runs `PROGRAM train` with the same options. Options after the name of the program are passed to
it. Both use one thread. Times are processor time of the training and of one test on the held-out
text; those of the program are the time of its run less that of the run with `--epochs 0`, so they
also have a sample of 200 tokens and a second test. Needs Debian's python3-torch, and libopenblas0,
because PyTorch is slow with the reference BLAS.
"""

import argparse
import json
import math
import os
import resource
import struct
import subprocess
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn


def run(command):
    """The output of a program, and its processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, env=environment).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return output, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def load(path):
    """The weights in a model's file, and its settings and other texts."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    texts = header.pop("__metadata__")
    weights = {}
    for name, entry in header.items():
        if name.startswith("model.") and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            weights[name[len("model."):]] = torch.frombuffer(
                data, dtype=torch.float32, count=(last - first) // 4,
                offset=first).reshape(entry["shape"]).clone()
    return weights, texts


def setting(texts, name):
    text = texts["setting." + name]
    return text if text.isalpha() else float(text) if "." in text or "e" in text else int(text)


class CharRnn(nn.Module):
    def __init__(self, size, of):
        super().__init__()
        self.embedding = nn.Embedding(size, of("dim"))
        kind = nn.LSTM if of("arch") == "lstm" else nn.GRU
        self.add_module(of("arch"), kind(of("dim"), of("hidden"), of("layers")))
        self.rnn = [self.lstm if of("arch") == "lstm" else self.gru]  # not registered twice
        self.head = nn.Linear(of("hidden"), size)

    def forward(self, ids, memory):
        states, memory = self.rnn[0](self.embedding(ids.t()), memory)
        memory = tuple(m.detach() for m in memory) if isinstance(memory, tuple) else memory.detach()
        return self.head(states).transpose(0, 1), memory


class SelfAttention(nn.Module):
    def __init__(self, of):
        super().__init__()
        self.qkv = nn.Linear(of("dim"), 3 * of("dim"))
        self.out = nn.Linear(of("dim"), of("dim"))
        self.heads = of("heads")
        hidden = torch.ones(of("context"), of("context"), dtype=torch.bool).triu(1)
        self.register_buffer("hidden", hidden, persistent=False)

    def forward(self, x):
        batch, steps, dim = x.shape
        q, k, v = (part.view(batch, steps, self.heads, dim // self.heads).transpose(1, 2)
                   for part in self.qkv(x).chunk(3, 2))
        if hasattr(F, "scaled_dot_product_attention"):  # since 2.0
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q / math.sqrt(dim // self.heads)) @ k.transpose(2, 3)
            hidden = self.hidden[:steps, :steps]
            mixed = torch.softmax(scores.masked_fill(hidden, -math.inf), 3) @ v
        return self.out(mixed.transpose(1, 2).reshape(batch, steps, dim))


class Block(nn.Module):
    def __init__(self, of):
        super().__init__()
        dim = of("dim")
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = SelfAttention(of)
        self.widen, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.narrow(F.gelu(self.widen(self.norm2(x))))


class TinyGpt(nn.Module):
    def __init__(self, size, of):
        super().__init__()
        self.characters = nn.Embedding(size, of("dim"))
        self.places = nn.Embedding(of("context"), of("dim"))
        self.blocks = nn.ModuleList(Block(of) for _ in range(of("layers")))
        self.norm = nn.LayerNorm(of("dim"))
        self.head = nn.Linear(of("dim"), size, bias=False)

    def forward(self, ids, memory):
        x = self.characters(ids) + self.places.weight[:ids.size(1)]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)), memory


class NgramModel(nn.Module):
    def __init__(self, size, of):
        super().__init__()
        self.embedding = nn.Embedding(size, of("dim"))
        hidden = of("dim") if of("tie") else of("hidden")
        self.hidden = nn.Linear(of("context") * of("dim"), hidden)
        self.head = nn.Linear(hidden, size)
        if of("tie"):
            self.head.weight = self.embedding.weight

    def forward(self, ids, memory):
        x = self.embedding(ids).flatten(1)
        return self.head(torch.tanh(self.hidden(x))).unsqueeze(1), memory


class Streams:
    """Batches of a model with a memory, as in batches.h."""

    def __init__(self, ids, rows, steps):
        self.length = (len(ids) - 1) // rows
        self.steps = steps
        first = torch.arange(rows).unsqueeze(1) * self.length
        self.rows = ids[first + torch.arange(self.length + 1)]
        self.per_epoch = math.ceil(self.length / steps)

    def epoch(self, _):
        for i in range(0, self.length, self.steps):
            yield self.rows[:, i:min(i + self.steps, self.length) + 1], i == 0


class Windows:
    """Batches of a model with a window, as in batches.h."""

    def __init__(self, ids, context, predicted, rows, seed):
        self.ids, self.context, self.predicted, self.rows = ids, context, predicted, rows
        self.seed = seed  # None: in the order of the text
        self.windows = (len(ids) - context) // predicted
        self.per_epoch = math.ceil(self.windows / rows)

    def epoch(self, number):
        length = self.context + self.predicted
        if self.seed is None:
            starts = torch.arange(self.windows) * self.predicted
        else:
            generator = torch.Generator().manual_seed(self.seed + number)
            starts = torch.randperm(len(self.ids) - length + 1, generator=generator)[:self.windows]
        for i in range(0, self.windows, self.rows):
            yield self.ids[starts[i:i + self.rows].unsqueeze(1) + torch.arange(length)], True


def words_of(text):
    """The tokens of ngram_lm, for ASCII."""
    tokens, word = [], ""
    for c in text.lower():
        if c.isalnum():
            word += c
            continue
        if word:
            tokens.append(word)
        word = ""
        if c == "\n":
            tokens.append("</s>")
        elif c > " ":
            tokens.append(c)
    return tokens + [word] if word else tokens


def data(program, texts, text, of):
    """The number of tokens, and batches to train and to test on."""
    if program == "ngram_lm":
        vocabulary = texts["vocabulary"].splitlines()[1:]
        number = {word: i for i, word in enumerate(vocabulary)}
        ids = torch.tensor([number.get(word, 1) for word in words_of(text)])
    else:
        vocabulary = texts["vocabulary"]
        number = {character: i for i, character in enumerate(vocabulary)}
        ids = torch.tensor([number[character] for character in text])
    cut = len(ids) - int(len(ids) * of("held-out"))
    train, test, rows = ids[:cut], ids[cut:], of("batch")
    if program == "char_rnn":
        steps = of("steps")
        test_rows = min(max((len(test) - 1) // steps, 1), rows)
        return len(vocabulary), Streams(train, rows, steps), Streams(test, test_rows, steps)
    context, predicted = (1, of("context")) if program == "tiny_gpt" else (of("context"), 1)
    return (len(vocabulary), Windows(train, context, predicted, rows, of("seed")),
            Windows(test, context, predicted, rows, None))


def loss_of(model, tokens, memory):
    logits, memory = model(tokens[:, :-1], memory)
    targets = tokens[:, tokens.size(1) - logits.size(1):]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten()), targets.numel(), memory


def train(model, batches, of):
    optimizer = torch.optim.Adam(model.parameters(), lr=of("lr"))
    done, total, memory, predictions = 0, of("epochs") * batches.per_epoch, None, 0
    for epoch in range(of("epochs")):
        for tokens, begins in batches.epoch(epoch):
            fall = 0.1 + 0.45 * (1 + math.cos(math.pi * done / total))
            optimizer.param_groups[0]["lr"] = of("lr") * min((done + 1) / 100, 1) * fall
            optimizer.zero_grad(set_to_none=True)
            loss, count, memory = loss_of(model, tokens, None if begins else memory)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), of("clip"))
            optimizer.step()
            done, predictions = done + 1, predictions + count
    return predictions


@torch.no_grad()
def test(model, batches):
    total, count, memory = 0.0, 0, None
    for tokens, begins in batches.epoch(0):
        loss, n, memory = loss_of(model, tokens, None if begins else memory)
        total, count = total + loss.item() * n, count + n
    return total / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", required=True, help="folder with the programs")
    parser.add_argument("--input", required=True)
    parser.add_argument("--epochs", default="2")
    parser.add_argument("program", choices=["char_rnn", "tiny_gpt", "ngram_lm"])
    parser.add_argument("options", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)

    with tempfile.TemporaryDirectory() as folder:
        file = folder + "/model"
        command = [f"{arguments.programs}/{arguments.program}", "train", "--input",
                   arguments.input, "--model", file, "--report", "1000000000"]
        command += arguments.options
        _, start = run(command + ["--epochs", "0"])
        weights, texts = load(file)
        output, seconds = run(command + ["--epochs", arguments.epochs])
        _, trained = load(file)
    of = lambda name: setting(trained, name)

    with open(arguments.input, encoding="utf-8", newline="") as text:
        size, batches, held_out = data(arguments.program, texts, text.read(), of)
    model = {"char_rnn": CharRnn, "tiny_gpt": TinyGpt, "ngram_lm": NgramModel}[arguments.program](
        size, of)
    model.load_state_dict(weights)
    at_first = test(model, held_out)
    begin = time.process_time()
    predictions = train(model, batches, of)
    loss = test(model, held_out)
    peer_seconds = time.process_time() - begin

    print(output.splitlines()[-1].split(": ", 1)[1])
    print(f"PyTorch {torch.__version__}: held-out loss {loss:.4f} (at first {at_first:.4f})")
    print(f"tokens per second of processor time: {predictions / (seconds - start):,.0f}, "
          f"PyTorch {predictions / peer_seconds:,.0f}; "
          f"{peer_seconds / (seconds - start):.2f} times as fast")


if __name__ == "__main__":
    main()
