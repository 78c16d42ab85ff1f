"""The networks that judge edits of photographs, and where they come from."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from editing_core.bench.photographs.names import NetworkNames
from editing_core.bench.photographs.perceptual import Perceptual, load_perceptual
from editing_core.clip import Clip, pixel_values
from editing_core.errors import ModelMissing

if TYPE_CHECKING:
    from transformers import ViTModel

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
