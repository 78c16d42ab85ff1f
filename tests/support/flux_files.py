"""FLUX.1-dev's files as its repository has them, written with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from editing_core.bench.random_weights import random_parts
from editing_core.models.configs import FLUX_DEV, Configs
from editing_core.portraits.model import Parts

PROMPTS = ["a portrait of a smiling young woman with a brown bob", "a woman with a red hat"]
HEADS = 2
NARROW: Configs = {
    "transformer": FLUX_DEV["transformer"]
    | {"attention_head_dim": 16, "num_attention_heads": HEADS, "axes_dims_rope": [4, 6, 6]}
    | {"joint_attention_dim": 32, "pooled_projection_dim": 16}
    | {"num_layers": 2, "num_single_layers": 2},
    "vae": FLUX_DEV["vae"] | {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4},
    "text_encoder": FLUX_DEV["text_encoder"]
    | {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    | {"num_hidden_layers": 1, "projection_dim": 16},
    "text_encoder_2": FLUX_DEV["text_encoder_2"]
    | {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2},
}
"""FLUX.1-dev, but two blocks of each kind, and all narrow."""


def random_model(configs: Configs = NARROW) -> Parts:
    return random_parts(configs, PROMPTS)


def write_repository(parts: Parts, folder: Path, *, bfl: bool = True) -> Path:
    """Write every file of the repository: sharded weights, slow tokenizers, BFL's single file."""
    parts.pipeline().save_pretrained(folder)
    for part, shard in (("transformer", "diffusion_pytorch_model"), ("text_encoder_2", "model")):
        model = getattr(parts, part)
        for file in (folder / part).glob("*.safetensors"):
            file.unlink()
        size = sum(p.numel() * p.element_size() for p in model.parameters())
        model.save_pretrained(folder / part, max_shard_size=size // 2 + size // 8)
        names = {file.name for file in (folder / part).glob("*.safetensors*")}
        assert f"{shard}.safetensors.index.json" in names and len(names) > 2
    _slow_tokenizer(folder / "tokenizer")
    settings = folder / "tokenizer_2" / "tokenizer_config.json"
    said = json.loads(settings.read_text()) | {"tokenizer_class": "T5TokenizerFast"}
    settings.write_text(json.dumps(said))
    if bfl:
        save_file(bfl_layout(parts.transformer), folder / "flux1-dev.safetensors")
    return folder


def _slow_tokenizer(folder: Path) -> None:
    """CLIP's vocabulary and merges in files of their own, as there."""
    state = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(state["vocab"]))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in state["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    (folder / "tokenizer.json").unlink()


EMBEDDERS = {
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "txt_in": "context_embedder",
    "img_in": "x_embedder",
    "final_layer.linear": "proj_out",
}
DOUBLE = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
NORMS = {
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
}


def bfl_layout(transformer: Any) -> dict[str, torch.Tensor]:
    """The weights under Black Forest Labs' names, as single files have them."""
    own = {name: value.detach() for name, value in transformer.state_dict().items()}
    made: dict[str, torch.Tensor] = {}

    def linear(name: str, *of: str) -> None:
        for kind in ("weight", "bias"):
            made[f"{name}.{kind}"] = torch.cat([own[f"{part}.{kind}"] for part in of]).contiguous()

    for name, of in EMBEDDERS.items():
        linear(name, of)
    for kind in ("weight", "bias"):  # the halves stand the other way round
        scale, shift = own[f"norm_out.linear.{kind}"].chunk(2)
        made[f"final_layer.adaLN_modulation.1.{kind}"] = torch.cat([shift, scale])
    for i in range(len(transformer.transformer_blocks)):
        there, here = f"double_blocks.{i}.", f"transformer_blocks.{i}."
        for name, of in DOUBLE.items():
            linear(there + name, here + of)
        linear(there + "img_attn.qkv", *(f"{here}attn.to_{x}" for x in "qkv"))
        linear(there + "txt_attn.qkv", *(f"{here}attn.add_{x}_proj" for x in "qkv"))
        for name, of in NORMS.items():
            made[f"{there}{name}.scale"] = own[f"{here}{of}.weight"]
    for i in range(len(transformer.single_transformer_blocks)):
        there, here = f"single_blocks.{i}.", f"single_transformer_blocks.{i}."
        linear(there + "modulation.lin", here + "norm.linear")
        linear(there + "linear1", *(f"{here}attn.to_{x}" for x in "qkv"), here + "proj_mlp")
        linear(there + "linear2", here + "proj_out")
        for x, said in (("q", "query"), ("k", "key")):
            made[f"{there}norm.{said}_norm.scale"] = own[f"{here}attn.norm_{x}.weight"]
    return made
