"""LPIPS with SqueezeNet 1.1 (Zhang et al. 2018, arXiv 1801.03924; Iandola et al. 2016).

`torchmetrics` has LPIPS and its learned weights, but takes SqueezeNet from torchvision, which does
not load beside a PyTorch for the CPU; so the network's layers are here, under torchvision's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FIRES = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128),
         9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}  # fmt: skip
"""Layer -> channels that come in, between, and out of each of two branches."""
CUTS = (0, 2, 5, 8, 10, 11, 12, 13)
"""LPIPS compares what comes out before each of these layers."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation of colours in [-1, 1], as LPIPS has them."""


class Perceptual(nn.Module):
    """How far two pictures are apart to SqueezeNet."""

    def __init__(self, squeezenet: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        """Take torchvision's weights of SqueezeNet 1.1, and LPIPS' weights of its channels.

        Raises:
            RuntimeError: They are of another network.
        """
        super().__init__()
        own = {name: value for name, value in squeezenet.items() if name.startswith("features.")}
        self.features = layers()
        self.load_state_dict(own)
        weights = (heads[f"lin{i}.model.1.weight"] for i in range(len(CUTS) - 1))
        self.heads = nn.ParameterList(nn.Parameter(w, requires_grad=False) for w in weights)
        self.eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distance of pictures in [-1, 1]. Shapes: (1, 3, height, width) to ()."""
        shift, scale = (a.new_tensor(value)[:, None, None] for value in (SHIFT, SCALE))
        x, distance = (torch.cat([a, b]) - shift) / scale, a.new_zeros(())
        for (start, end), head in zip(pairwise(CUTS), self.heads, strict=True):
            x = self.features[start:end](x)
            unit = x * (x.square().sum(dim=1, keepdim=True) + 1e-8).rsqrt()
            apart = (unit[:1] - unit[1:]).square()
            distance = distance + F.conv2d(apart, head).mean()
        return distance


def load_perceptual(weights: str) -> Perceptual:
    """Load SqueezeNet from an address or a file, and LPIPS' weights from `torchmetrics`.

    Raises:
        OSError: It is not to be had.
        RuntimeError: It is of another network, as is a `pickle.UnpicklingError`.
    """
    if weights.startswith("https://"):
        squeezenet = torch.hub.load_state_dict_from_url(weights, map_location="cpu")
    else:
        squeezenet = torch.load(Path(weights).expanduser(), map_location="cpu", weights_only=True)
    source = files("torchmetrics.functional.image") / "lpips_models" / "squeeze.pth"
    with as_file(source) as file:
        return Perceptual(squeezenet, torch.load(file, map_location="cpu", weights_only=True))


def layers() -> nn.Sequential:
    """Return SqueezeNet 1.1 up to its classifier, random yet."""
    made: dict[int, nn.Module] = {0: nn.Conv2d(3, 64, 3, stride=2), 1: nn.ReLU()}
    made |= {i: nn.MaxPool2d(3, stride=2, ceil_mode=True) for i in (2, 5, 8)}
    made |= {i: _Fire(*channels) for i, channels in FIRES.items()}
    return nn.Sequential(*(made[i] for i in sorted(made)))


class _Fire(nn.Module):
    """Squeeze channels, then expand them in two branches."""

    def __init__(self, before: int, between: int, after: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, between, 1)
        self.expand1x1 = nn.Conv2d(between, after, 1)
        self.expand3x3 = nn.Conv2d(between, after, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], dim=1)
