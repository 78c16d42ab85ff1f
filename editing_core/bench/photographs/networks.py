"""The networks that judge edits of photographs, and where they come from."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from editing_core.bench.photographs.names import NetworkNames
from editing_core.clip import Clip, pixel_values
from editing_core.errors import ModelMissing

if TYPE_CHECKING:
    from transformers import ViTModel


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


MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours
SIDE = 224  # pixels; of what networks of features look at
INCEPTION = "inception-"
LAYERS = ("64", "192", "768", "2048")  # of Inception, by their width

Features = Callable[[Image.Image], Tensor]
"""A picture's features, of which the Frechet distance is taken. Shape: (width,)."""


@dataclass(frozen=True, eq=False)
class Networks:
    """All that judges an edit."""

    names: NetworkNames
    clip: Clip
    dino: ViTModel
    perceptual: Perceptual
    features: Features
    device: str


def load_networks(names: NetworkNames, device: str = "cpu") -> Networks:
    """Load all networks in float32.

    Raises:
        ModelMissing: One is not to be had, or is of another kind; one sentence says which.
    """
    from transformers import ViTModel

    with _needed("CLIP model", names.clip):
        clip = Clip(names.clip, device)
    with _needed("DINO", names.dino):
        dino = _vit(ViTModel, names.dino, add_pooling_layer=False).to(device)
    with _needed("SqueezeNet", names.perceptual):
        perceptual = load_perceptual(names.perceptual).to(device)
    with _needed("network of features", names.features):
        features = _features(names.features, device)
    return Networks(names, clip, dino, perceptual, features, device)


@contextmanager
def _needed(what: str, name: str) -> Iterator[None]:
    """Say what cannot be loaded, and why."""
    try:
        yield
    except (OSError, ValueError, AttributeError, RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelMissing(f"The {what} {name} cannot be loaded: {reason}.") from error


def _vit(kind: Any, name: str, **more: bool) -> Any:
    """Load a vision transformer, and refuse one that would be partly random."""
    model, told = kind.from_pretrained(name, output_loading_info=True, dtype=torch.float32, **more)
    if lacking := [key for key in told["missing_keys"] if not key.startswith("pooler.")]:
        raise ValueError(f"it is of another kind and has no {sorted(lacking)[0]}")
    return model.eval()


def _features(name: str, device: str) -> Features:
    """Look with Inception, or with a ViT that learned on ImageNet's colours, as DINO's did."""
    from transformers import AutoModel

    if name.startswith(INCEPTION):
        return _inception(name.removeprefix(INCEPTION), device)
    model = _vit(AutoModel, name).to(device)
    side = min(SIDE, model.config.image_size)

    @torch.no_grad()
    def features(image: Image.Image) -> Tensor:
        values = pixel_values(image, side, MEAN, DEVIATION).to(model.device)
        seen = model(pixel_values=values, interpolate_pos_encoding=True)
        token: Tensor = seen.last_hidden_state[0, 0]
        return token

    return features


def _inception(layer: str, device: str) -> Features:
    """Look with the Inception of the usual FID, which torchmetrics takes from torch-fidelity."""
    from torchmetrics.image.fid import NoTrainInceptionV3

    if layer not in LAYERS:
        raise ModelMissing(f"Inception has no layer {layer}; say one of {', '.join(LAYERS)}.")
    try:
        network = NoTrainInceptionV3("inception-v3-compat", [layer]).to(device)
    except ModuleNotFoundError:
        raise ModelMissing(
            "Inception needs torch-fidelity, and that a torchvision that fits PyTorch: install "
            "both, or name a ViT with --features."
        ) from None

    @torch.no_grad()
    def features(image: Image.Image) -> Tensor:
        levels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
        seen: Tensor = network(levels.to(device))[0]
        return seen

    return features
