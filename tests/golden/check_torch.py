"""Loads files that our tests saved into PyTorch, and continues there.

    /usr/bin/python3 check_torch.py training|modules|optimizers FOLDER

training (tests/nn/interchange_test.cc): model.safetensors and model.npz are loaded with strict=True and must give our
outputs; with optimizer.npz, Adam continues for three steps and must give the weights in after.npz. PyTorch's state
at the end is written to torch.npz and torch.safetensors.

modules (the same test): for every module below, our state must have PyTorch's names in PyTorch's order, load with
strict=True and give our outputs. Then the weights are changed and written to torch.safetensors and torch.npz, and
the outputs of the modules with the new weights to torch_outputs.npz.

optimizers (tests/optim/resume_test.cc): every optimizer of make_resume.py continues from our state and must
reach our parameters.
"""

import sys

import numpy as np
import torch
from torch import nn

import make_resume
import safetensors_io


def tensors(arrays):
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def under(prefix, arrays):
    """The entries whose names begin with the prefix, which is removed."""
    return {name[len(prefix):]: value for name, value in arrays.items() if name.startswith(prefix)}


def check_close(got, expected, name, rtol=1e-5, atol=1e-6):
    torch.testing.assert_close(got, expected, rtol=rtol, atol=atol, msg=lambda text: f"{name}: {text}")


# Training ----------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(6, 4, padding_idx=0)
        self.cell = nn.RNNCell(4, 5)
        self.head = nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 2))

    def forward(self, ids):
        state = torch.zeros(len(ids), 5)
        for t in range(ids.shape[1]):
            state = self.cell(self.words(ids[:, t]), state)
        return self.head(state)


def adam_of(net, arrays):
    """Our names of state are `state.<name>.<what>`; PyTorch numbers the parameters."""
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    state = {}
    for i, (name, _) in enumerate(net.named_parameters()):
        state[i] = {what: arrays[f"state.{name}.{what}"].float() if what == "step" else arrays[f"state.{name}.{what}"]
                    for what in ("step", "exp_avg", "exp_avg_sq")}
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
    return adam


def training(folder):
    data = tensors(np.load(f"{folder}/data.npz"))
    for arrays in (safetensors_io.read(f"{folder}/model.safetensors")[0], np.load(f"{folder}/model.npz")):
        net = Net()
        net.load_state_dict(tensors(arrays), strict=True)
        check_close(net(data["ids"]), data["out"], "net")
    adam = adam_of(net, tensors(np.load(f"{folder}/optimizer.npz")))
    for _ in range(3):
        adam.zero_grad()
        nn.functional.cross_entropy(net(data["ids"]), data["labels"]).backward()
        adam.step()
    after = tensors(np.load(f"{folder}/after.npz"))
    assert after.keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        check_close(value, after[name], name, rtol=1e-4, atol=1e-5)
    save_both(folder, net.state_dict())


def save_both(folder, state):
    arrays = {name: value.numpy() for name, value in state.items()}
    np.savez(f"{folder}/torch.npz", **arrays)
    safetensors_io.write(f"{folder}/torch.safetensors", arrays)


# Modules -----------------------------------------------------------------------------------------


def cells(module, x):
    state = None
    for step in x:
        state = module(step, state)
    return state


def named(**modules):
    return nn.ModuleDict(modules)


MODULES = {
    "linear": lambda: nn.Linear(3, 4),
    "linear_no_bias": lambda: nn.Linear(3, 4, bias=False),
    "bilinear": lambda: nn.Bilinear(3, 4, 2),
    "bilinear_no_bias": lambda: nn.Bilinear(3, 4, 2, bias=False),
    "embedding": lambda: nn.Embedding(6, 3, padding_idx=0),
    "embedding_bag": lambda: nn.EmbeddingBag(6, 3, padding_idx=0),
    "embedding_bag_max": lambda: nn.EmbeddingBag(6, 3, mode="max"),
    "embedding_bag_sum": lambda: nn.EmbeddingBag(6, 3, mode="sum"),
    "conv1d": lambda: nn.Conv1d(3, 4, 2, stride=2, padding=1),
    "conv1d_no_bias": lambda: nn.Conv1d(3, 4, 3, padding="same", dilation=2, bias=False),
    "layer_norm": lambda: nn.LayerNorm((2, 3)),
    "layer_norm_no_affine": lambda: nn.LayerNorm(3, elementwise_affine=False),
    "batch_norm1d": lambda: nn.BatchNorm1d(3),
    "batch_norm1d_no_affine": lambda: nn.BatchNorm1d(3, affine=False, momentum=None),
    "batch_norm1d_no_running": lambda: nn.BatchNorm1d(3, track_running_stats=False),
    "rnn": lambda: nn.RNN(3, 4, num_layers=2, bidirectional=True),
    "rnn_relu": lambda: nn.RNN(3, 4, nonlinearity="relu", bias=False, batch_first=True),
    "lstm": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True),
    "lstm_no_bias": lambda: nn.LSTM(3, 4, bias=False),
    "gru": lambda: nn.GRU(3, 4, num_layers=2, bidirectional=True),
    "gru_no_bias": lambda: nn.GRU(3, 4, bias=False),
    "rnn_cell": lambda: nn.RNNCell(3, 4),
    "lstm_cell": lambda: nn.LSTMCell(3, 4),
    "gru_cell": lambda: nn.GRUCell(3, 4),
    "multihead_attention": lambda: nn.MultiheadAttention(6, 2),
    "multihead_attention_no_bias": lambda: nn.MultiheadAttention(6, 2, bias=False, batch_first=True),
    "multihead_attention_widths": lambda: nn.MultiheadAttention(6, 2, kdim=3, vdim=5, add_bias_kv=True,
                                                                add_zero_attn=True),
    "transformer_encoder_layer": lambda: nn.TransformerEncoderLayer(6, 2, 7, batch_first=True),
    "transformer_encoder_layer_gelu": lambda: nn.TransformerEncoderLayer(6, 3, 7, activation="gelu", norm_first=True),
    "transformer_encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 7), 2),
    "transformer_encoder_norm": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 7, batch_first=True), 2,
                                                              nn.LayerNorm(6)),
    "sequential": lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2))),
    "module_list": lambda: nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)]),
    "module_dict": lambda: named(topic=nn.Linear(3, 2), mood=nn.Linear(3, 4)),
}


def run(name, module, inputs):
    """The outputs of the module as a flat list."""
    if name.endswith("_cell"):
        result = cells(module, inputs[0])
    elif name == "module_list":
        result = module[1](module[0](*inputs))
    elif name == "module_dict":
        result = (module["topic"](*inputs), module["mood"](*inputs))
    else:
        result = module(*inputs)
    flat = []
    for each in result if isinstance(result, tuple) else (result,):
        flat.extend(each if isinstance(each, tuple) else (each,))
    return flat


def other_numbers(name, value):
    if not value.is_floating_point():
        return value + 3
    return torch.rand_like(value) + 0.5 if name.endswith("running_var") else torch.rand_like(value) - 0.5


def modules(folder):
    torch.manual_seed(1)
    data = tensors(np.load(f"{folder}/data.npz"))
    assert {name.split(".")[0] for name in data} == MODULES.keys()
    in_order = tensors(np.load(f"{folder}/ours.npz"))
    sorted_somehow = tensors(safetensors_io.read(f"{folder}/ours.safetensors")[0])
    states, outputs = {}, {}
    for name, make in MODULES.items():
        inputs = [data[f"{name}.in{i}"] for i in range(8) if f"{name}.in{i}" in data]
        for loaded in (in_order, sorted_somehow):
            state = under(f"{name}.", loaded)
            module = make().eval()
            if loaded is in_order:
                assert list(state) == list(module.state_dict()), f"{name}: {list(state)}"
            module.load_state_dict(state, strict=True)
            results = run(name, module, inputs)
            assert f"{name}.out{len(results)}" not in data and f"{name}.out{len(results) - 1}" in data, name
            for i, result in enumerate(results):
                check_close(result, data[f"{name}.out{i}"], name)
        module.load_state_dict({key: other_numbers(key, value) for key, value in state.items()})
        states.update({f"{name}.{key}": value for key, value in module.state_dict().items()})
        for i, result in enumerate(run(name, module, inputs)):
            outputs[f"{name}.out{i}"] = result.detach().numpy()
    save_both(folder, states)
    np.savez(f"{folder}/torch_outputs.npz", **outputs)


# Optimizers --------------------------------------------------------------------------------------


def optimizers(folder):
    for name in make_resume.CASES:
        ours = tensors(np.load(f"{folder}/{name}.npz"))
        leaves = make_resume.parameters(name, torch.float64)
        made = make_resume.optimizer(name, leaves)
        counts_in_tensors = name.split(".")[0] in ("adam", "adamw", "adagrad", "sparse_adagrad")
        state = {}
        for i, leaf in enumerate(leaves):
            leaf.data = ours[f"before_p{i}"].clone()
            state[i] = under(f"state.p{i}.", ours)
            steps = state[i].pop("step")
            if "sgd" not in name:
                state[i]["step"] = steps.float() if counts_in_tensors else steps.item()
        groups = made.state_dict()["param_groups"]
        for i, group in enumerate(groups):
            group["lr"] = ours[f"param_groups.{i}.lr"].item()
        made.load_state_dict({"state": state, "param_groups": groups})
        make_resume.go_on(name, made, leaves, make_resume.BEFORE + 1, make_resume.AFTER)
        for i, leaf in enumerate(leaves):
            check_close(leaf.detach(), ours[f"after_p{i}"], name, rtol=1e-11, atol=1e-12)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"training": training, "modules": modules, "optimizers": optimizers}[sys.argv[1]](sys.argv[2])
    print("agrees")
