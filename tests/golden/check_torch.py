"""Loads what tests/nn/interchange_test.cc saved into PyTorch, and goes on training there.

    /usr/bin/python3 check_torch.py FOLDER

model.safetensors and model.npz are loaded with strict=True and must give our outputs; with optimizer.npz, Adam goes
on for three steps and must arrive at after.npz. What PyTorch then has is written to torch.npz.
"""

import sys

import numpy as np
import torch
from torch import nn

import safetensors_io


def tensors(arrays):
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


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
    """Ours calls state `state.<name>.<what>`; PyTorch counts the parameters."""
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    state = {}
    for i, (name, _) in enumerate(net.named_parameters()):
        state[i] = {what: arrays[f"state.{name}.{what}"].float() if what == "step" else arrays[f"state.{name}.{what}"]
                    for what in ("step", "exp_avg", "exp_avg_sq")}
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
    return adam


def main(folder):
    torch.set_num_threads(1)
    data = tensors(np.load(f"{folder}/data.npz"))
    for arrays in (safetensors_io.read(f"{folder}/model.safetensors")[0], np.load(f"{folder}/model.npz")):
        net = Net()
        net.load_state_dict(tensors(arrays), strict=True)
        torch.testing.assert_close(net(data["ids"]), data["out"], rtol=1e-5, atol=1e-6)
    adam = adam_of(net, tensors(np.load(f"{folder}/optimizer.npz")))
    for _ in range(3):
        adam.zero_grad()
        nn.functional.cross_entropy(net(data["ids"]), data["labels"]).backward()
        adam.step()
    after = tensors(np.load(f"{folder}/after.npz"))
    assert after.keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, after[name], rtol=1e-4, atol=1e-5, msg=lambda text: f"{name}: {text}")
    np.savez(f"{folder}/torch.npz", **{name: value.numpy() for name, value in net.state_dict().items()})
    safetensors_io.write(f"{folder}/torch.safetensors", {name: value.numpy() for name, value in net.state_dict().items()})
    print("agrees")


if __name__ == "__main__":
    main(*sys.argv[1:])
