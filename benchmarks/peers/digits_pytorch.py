#!/usr/bin/python3
"""Trains the models of examples/digits with PyTorch, on IDX files that `digits write` wrote.

    digits write --output drawn && benchmarks/peers/digits_pytorch.py drawn

Prints the test accuracy after each epoch and the seconds, as the program does.
"""

import argparse
import math
import os
import time

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F


def read(folder, part):
    def body(name, header):
        with open(os.path.join(folder, name), "rb") as file:
            return np.frombuffer(file.read(), np.uint8)[header:]
    labels = torch.from_numpy(body(f"{part}-labels-idx1-ubyte", 8).astype(np.int64))
    pixels = body(f"{part}-images-idx3-ubyte", 16).reshape(len(labels), 1, 28, 28)
    return torch.from_numpy(pixels.astype(np.float32) / 255), labels


def lenet():
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--model", choices=["lenet", "linear"], default="lenet")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pixels, labels = read(options.folder, "train")
    test_pixels, test_labels = read(options.folder, "t10k")
    torch.manual_seed(options.seed)
    model = lenet() if options.model == "lenet" else linear()
    adam = torch.optim.Adam(model.parameters(), lr=options.lr)
    steps = options.epochs * math.ceil(len(labels) / options.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    began, processor = time.perf_counter(), time.process_time()
    for epoch in range(1, options.epochs + 1):
        for batch in torch.randperm(len(labels)).split(options.batch):
            adam.zero_grad()
            F.cross_entropy(model(pixels[batch]), labels[batch]).backward()
            adam.step()
            schedule.step()
        with torch.no_grad():
            right = (model(test_pixels).argmax(1) == test_labels).double().mean().item()
        print(f"epoch {epoch}  test accuracy {100 * right:.2f} %", flush=True)
    print(f"{time.perf_counter() - began:.1f} s, {time.process_time() - processor:.1f} s of processor time")


if __name__ == "__main__":
    main()
