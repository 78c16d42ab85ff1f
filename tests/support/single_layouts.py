"""Transformers under the names of their authors' single files: diffusers' converters undone."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from flux_files import NORMS, bfl_layout

Weights = dict[str, torch.Tensor]


def renamed(weights: Weights, names: Mapping[str, str]) -> Weights:
    """Put other pieces of names in the place of some, in their order."""
    made: Weights = {}
    for name, value in weights.items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        made[name] = value
    return made


def joined(weights: Weights, parts: tuple[str, str, str], whole: str) -> Weights:
    """Stack queries, keys and values that stand alone into one matrix."""
    made = dict(weights)
    for name in weights:
        if f".{parts[0]}." in name:
            stacked = [made.pop(name.replace(f".{parts[0]}.", f".{part}.")) for part in parts]
            made[name.replace(f".{parts[0]}.", f".{whole}.")] = torch.cat(stacked)
    return made


def halves_swapped(weight: torch.Tensor) -> torch.Tensor:
    return torch.cat(weight.chunk(2)[::-1])


def z_image_layout(transformer: Any) -> Weights:
    weights = joined(transformer.state_dict(), ("to_q", "to_k", "to_v"), "qkv")
    return renamed(
        weights,
        {
            "all_final_layer.2-1.": "final_layer.",
            "all_x_embedder.2-1.": "x_embedder.",
            ".attention.to_out.0.": ".attention.out.",
            ".attention.norm_k.": ".attention.k_norm.",
            ".attention.norm_q.": ".attention.q_norm.",
        },
    )


def flux2_layout(transformer: Any) -> Weights:
    weights = joined(transformer.state_dict(), ("to_q", "to_k", "to_v"), "img_qkv")
    weights = joined(weights, ("add_q_proj", "add_k_proj", "add_v_proj"), "txt_qkv")
    weights["norm_out.linear.weight"] = halves_swapped(weights["norm_out.linear.weight"])
    made = renamed(
        weights,
        {
            "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
            "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
            "context_embedder.": "txt_in.",
            "x_embedder.": "img_in.",
            "norm_out.linear.": "final_layer.adaLN_modulation.1.",
            "proj_out.": "final_layer.linear.",
            "modulation_img.linear.": "modulation_img.lin.",
            "modulation_txt.linear.": "modulation_txt.lin.",
            "stream_modulation.linear.": "stream_modulation.lin.",
            ".attn.img_qkv.": ".img_attn.qkv.",
            ".attn.txt_qkv.": ".txt_attn.qkv.",
            ".attn.to_out.0.": ".img_attn.proj.",
            ".attn.to_add_out.": ".txt_attn.proj.",
            ".ff.linear_in.": ".img_mlp.0.",
            ".ff.linear_out.": ".img_mlp.2.",
            ".ff_context.linear_in.": ".txt_mlp.0.",
            ".ff_context.linear_out.": ".txt_mlp.2.",
            ".attn.to_qkv_mlp_proj.": ".linear1.",
            ".attn.to_out.": ".linear2.",
            **{f".{ours}.weight": f".{theirs}.scale" for theirs, ours in NORMS.items()},
            "single_transformer_blocks.": "single_blocks.",
            "transformer_blocks.": "double_blocks.",
        },
    )
    return {
        name.replace(".img_attn.norm.", ".norm.") if name.startswith("single_blocks.") else name: w
        for name, w in made.items()
    }


OF_SD3 = {"qkv": "qkv", "norm_q": "ln_q", "norm_k": "ln_k", "to_out.0": "proj"}


def sd3_layout(transformer: Any) -> Weights:
    weights = dict(transformer.state_dict())
    last = f"transformer_blocks.{len(transformer.transformer_blocks) - 1}.norm1_context."
    for name in weights:
        if name.startswith((last, "norm_out.")):
            weights[name] = halves_swapped(weights[name])
    weights = joined(weights, ("to_q", "to_k", "to_v"), "qkv")
    weights = joined(weights, ("add_q_proj", "add_k_proj", "add_v_proj"), "context_qkv")
    x, context = ".x_block.", ".context_block."
    return renamed(
        weights,
        {
            "pos_embed.proj.": "x_embedder.proj.",
            "pos_embed.pos_embed": "pos_embed",
            "time_text_embed.timestep_embedder.linear_1.": "t_embedder.mlp.0.",
            "time_text_embed.timestep_embedder.linear_2.": "t_embedder.mlp.2.",
            "time_text_embed.text_embedder.linear_1.": "y_embedder.mlp.0.",
            "time_text_embed.text_embedder.linear_2.": "y_embedder.mlp.2.",
            "norm_out.linear.": "final_layer.adaLN_modulation.1.",
            "proj_out.": "final_layer.linear.",
            "transformer_blocks.": "joint_blocks.",
            ".norm1.linear.": f"{x}adaLN_modulation.1.",
            ".norm1_context.linear.": f"{context}adaLN_modulation.1.",
            ".ff.net.0.proj.": f"{x}mlp.fc1.",
            ".ff.net.2.": f"{x}mlp.fc2.",
            ".ff_context.net.0.proj.": f"{context}mlp.fc1.",
            ".ff_context.net.2.": f"{context}mlp.fc2.",
            **{
                f".{attn}.{ours}.": f"{x}{attn}.{theirs}."
                for attn in ("attn", "attn2")
                for ours, theirs in OF_SD3.items()
            },
            ".attn.context_qkv.": f"{context}attn.qkv.",
            ".attn.norm_added_q.": f"{context}attn.ln_q.",
            ".attn.norm_added_k.": f"{context}attn.ln_k.",
            ".attn.to_add_out.": f"{context}attn.proj.",
        },
    )


def own_layout(transformer: Any) -> Weights:
    return dict(transformer.state_dict())


LAYOUT_OF: dict[str, Callable[[Any], Weights]] = {
    "FluxTransformer2DModel": bfl_layout,
    "Flux2Transformer2DModel": flux2_layout,
    "QwenImageTransformer2DModel": own_layout,
    "ZImageTransformer2DModel": z_image_layout,
    "SD3Transformer2DModel": sd3_layout,
}
"""By the class of the transformer; Qwen-Image's authors use diffusers' names."""
