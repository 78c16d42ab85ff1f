"""Stand-ins for the networks that judge photographs: the real architectures, tiny and random."""

import json
from pathlib import Path

import pytest
import torch
from paths import ROOT
from PIL import Image

from editing_core.bench.photographs.names import NetworkNames

EXTRA = "needs torchmetrics: pip install -e '.[eval]'"
TOKENIZER = ROOT / "editing_core" / "portraits" / "weights" / "tokenizer"
SIDE_SEEN = 64  # pixels to which the tiny CLIPSeg squeezes pictures
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}


def save_clip(folder: Path) -> Path:
    from transformers import AutoTokenizer, CLIPConfig, CLIPModel

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "num_hidden_layers": 1}
    text |= {"eos_token_id": tokenizer.eos_token_id}
    vision = {"image_size": 32, "patch_size": 16, "num_hidden_layers": 1}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text | SMALL, vision_config=vision | SMALL, projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_clipseg(folder: Path) -> Path:
    from transformers import AutoTokenizer, CLIPSegConfig, CLIPSegForImageSegmentation

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "num_hidden_layers": 1}
    text |= {"eos_token_id": tokenizer.eos_token_id}
    vision = {"image_size": 32, "patch_size": 16, "num_hidden_layers": 3}
    torch.manual_seed(4)
    config = CLIPSegConfig(
        text_config=text | SMALL, vision_config=vision | SMALL, projection_dim=16, reduce_dim=8,
        extract_layers=[0, 1, 2], decoder_num_attention_heads=2, decoder_intermediate_size=16,
    )  # fmt: skip
    CLIPSegForImageSegmentation(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    prepared = {"size": {"height": SIDE_SEEN, "width": SIDE_SEEN}, "image_mean": [0.485] * 3,
                "image_std": [0.229] * 3, "image_processor_type": "ViTImageProcessor"}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    return folder


def save_dino(folder: Path) -> Path:
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(1)
    config = ViTConfig(image_size=32, patch_size=8, num_hidden_layers=2, **SMALL)
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def save_features(folder: Path) -> Path:
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(2)
    config = Dinov2Config(image_size=42, patch_size=14, num_hidden_layers=1, **SMALL)
    Dinov2Model(config).save_pretrained(folder)
    return folder


def save_squeezenet(file: Path) -> Path:
    from editing_core.bench.photographs.networks import layers

    torch.manual_seed(3)
    torch.save({f"features.{name}": value for name, value in layers().state_dict().items()}, file)
    return file


def save_networks(folder: Path) -> NetworkNames:
    return NetworkNames(
        clip=str(save_clip(folder / "clip")),
        dino=str(save_dino(folder / "dino")),
        perceptual=str(save_squeezenet(folder / "squeezenet.pth")),
        features=str(save_features(folder / "features")),
    )


def photograph(name: str, width: int) -> Image.Image:
    data = pytest.importorskip("skimage.data", reason="needs scikit-image: pip install -e '.[dev]'")
    image = Image.fromarray(getattr(data, name)())
    return image.resize((width, round(width * image.height / image.width)))
