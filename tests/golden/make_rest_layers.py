"""Makes rest_layers.safetensors: LSTM with proj_size, the transformer's decoder, WeightedRandomSampler."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

import make_layers
import make_recurrent
from common import Golden, uniform

golden = make_layers.golden = make_recurrent.golden = Golden()


def projected(variant, steps=4, batch=3, size=3, hidden=4, proj=2, states=True, seed=None, **options):
    batch_first = options.get("batch_first", False)
    sequences = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    lead = () if batch is None else (batch,)
    inputs = [uniform(*((batch, steps) if batch_first else (steps, *lead)), size)]
    if states:
        inputs += [uniform(sequences, *lead, proj, low=-1.0, high=1.0), uniform(sequences, *lead, hidden, low=-1.0, high=1.0)]
    module = nn.LSTM(size, hidden, proj_size=proj, **options)
    make_recurrent.compare(f"projected_lstm.{variant}", module,
                           lambda module, x, h=None, c=None: module(x, None if h is None else (h, c)), inputs, seed=seed,
                           input_size=size, hidden_size=hidden, proj_size=proj, **options)
    case = f"projected_lstm_first.{variant}"
    arguments = {"seed": 5, "input_size": size, "hidden_size": hidden, "proj_size": proj, **options}
    golden.arguments(case, arguments)
    torch.manual_seed(5)
    for name, value in nn.LSTM(size, hidden, proj_size=proj, **options).named_parameters():
        golden.put(f"{case}.param.{name}", value)
    golden.put(f"{case}.next", torch.rand(1))


def recurrent():
    projected("plain")
    projected("no_bias", bias=False)
    projected("no_states", states=False)
    projected("two_layers_bidirectional", num_layers=2, bidirectional=True, hidden=5, proj=3)
    projected("batch_first", batch_first=True, bidirectional=True)
    projected("odd", steps=3, batch=5, size=7, hidden=9, proj=1)
    projected("unbatched", batch=None, bidirectional=True)
    projected("dropout", num_layers=2, dropout=0.4, seed=9)


def decoders():
    later, padded = make_layers.later, make_layers.PADDED
    for name, options, masks in [
            ("plain", {}, {}), ("batch_first", {"batch_first": True}, {}), ("norm_first", {"norm_first": True}, {}),
            ("gelu", {"activation": "gelu", "layer_norm_eps": 0.1}, {}), ("causal", {}, {"tgt_mask": later(4)}),
            ("memory_mask", {"norm_first": True}, {"memory_mask": torch.arange(20).reshape(4, 5) % 3 == 2}),
            ("padding", {"batch_first": True},
             {"tgt_mask": later(4), "tgt_key_padding_mask": torch.tensor([[False] * 4, [False, False, True, True], [False] * 4]),
              "memory_key_padding_mask": padded}),
            ("dropout", {"dropout": 0.3, "batch_first": True}, {}),
            ("dropout_norm_first", {"dropout": 0.3, "batch_first": True, "norm_first": True}, {})]:
        def run(module, tgt, memory):
            return module(tgt, memory, **masks)
        shapes = [(3, 4, 6), (3, 5, 6)] if options.get("batch_first") else [(4, 3, 6), (5, 3, 6)]
        inputs = [uniform(*shape) for shape in shapes]
        seed = make_layers.SEED if "dropout" in options else None
        own = {"dim_feedforward": 7, "dropout": 0.0, **options}
        stored = {"d_model": 6, "nhead": 2, "dim_feedforward": 7, **options}
        kinds = [("transformer_decoder_layer", lambda: nn.TransformerDecoderLayer(6, 2, **own))]
        if name in ("norm_first", "padding", "dropout"):
            kinds.append(("transformer_decoder", lambda: nn.TransformerDecoder(
                nn.TransformerDecoderLayer(6, 2, **own), 2, nn.LayerNorm(6))))
        for kind, make in kinds:
            make_layers.layer(f"{kind}.{name}", make, inputs, run=run, seed=seed, **stored)
            for mask, value in masks.items():
                golden.put(f"{kind}.{name}.{mask}", value)


def samplers():
    weights = [0.1, 0.9, 0.4, 0.0, 3.0, 0.7, 0.25]
    for name, replacement, samples, batch, drop, own in [
            ("plain", True, 20, 6, False, False), ("drop", True, 20, 6, True, False),
            ("without_replacement", False, 5, 2, False, False), ("own", True, 9, 3, False, True),
            ("own_without_replacement", False, 6, 4, False, True)]:
        case = f"weighted_sampler.{name}"
        golden.arguments(case, {"replacement": replacement, "num_samples": samples, "batch_size": batch,
                                "drop_last": drop, "own_generator": own})
        torch.manual_seed(3)
        generator = torch.Generator().manual_seed(8) if own else None
        sampler = WeightedRandomSampler(weights, samples, replacement, generator)
        loader = DataLoader(TensorDataset(torch.arange(7)), batch_size=batch, drop_last=drop, sampler=sampler)
        order = [i for _ in range(3) for (part,) in loader for i in part.tolist()]
        golden.put(f"{case}.in0", torch.tensor(weights, dtype=torch.float64))
        golden.put(f"{case}.out0", torch.tensor(order))
        golden.put(f"{case}.next", torch.rand(1))


if __name__ == "__main__":
    recurrent()
    decoders()
    samplers()
    golden.write("rest_layers.safetensors")
