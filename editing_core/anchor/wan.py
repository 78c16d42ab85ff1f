"""The door to AnchorEdit's own weights: the same causal memory in Wan 2.1's transformer.

AnchorEdit fine-tunes Wan2.1-T2V-14B, a frame being a picture encoded alone. Its checkpoints are
read into diffusers' Wan transformer, whose self-attention then reaches across turns as in
``editing_core.anchor.model``; cross-attention sees a frame's own instruction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from editing_core.anchor.attention import STRIDE, Look, Sight, attended, rotation
from editing_core.anchor.kv_cache import Frame
from editing_core.errors import ModelMissing

HEAD = 128  # width of a head in every Wan 2.1
HOLDERS = ("generator_ema", "generator", "model")
"""Where checkpoints of AnchorEdit's training keep the weights, the best first."""


class WanTurnAttention:
    """Self-attention of one layer over a frame and the frames it sees."""

    _attention_backend = None
    _parallel_config = None

    def __init__(self, layer: int, looking: list[Look]) -> None:
        """Serve ``layer``; the last of ``looking`` is the call under way."""
        self.layer = layer
        self._looking = looking

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Do as diffusers' ``WanAttnProcessor``, but see other frames as well."""
        q, k = attn.norm_q(attn.to_q(hidden_states)), attn.norm_k(attn.to_k(hidden_states))
        v = attn.to_v(hidden_states)
        q, k, v = (x.unflatten(2, (attn.heads, -1)) for x in (q, k, v))
        if rotary_emb is not None:
            q, k = _placed(q, *rotary_emb), _placed(k, *rotary_emb)
        seen = attended(q, k, v, self._looking[-1], self.layer, self).flatten(2).type_as(q)
        out: Tensor = attn.to_out[1](attn.to_out[0](seen))
        return out


class CausalWan(nn.Module):
    """Wan's transformer, seeing across turns."""

    def __init__(self, transformer: Any, stride: int = STRIDE) -> None:
        """Take the transformer over; its self-attention is replaced for good."""
        super().__init__()
        self.transformer = transformer
        self.stride = stride
        self._looking: list[Look] = []
        for layer, block in enumerate(transformer.blocks):
            block.attn1.set_processor(WanTurnAttention(layer, self._looking))

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        turns: Tensor,
        text: Tensor,
        sight: Sight,
        *,
        memory: Sequence[Frame] = (),
        written: list[Tensor] | None = None,
    ) -> Tensor:
        """Predict every frame's velocity, from picture (t = 0) to noise (t = 1).

        Args:
            x: Latents, normalised by the VAE's mean and deviation. Shape: (B, F, 16, H, W).
            t: Times in [0, 1]. Shape: (B, F).
            turns: Each frame's place in its conversation. Shape: (B, F).
            text: UMT5 states of the frames' instructions, zero where padded: (B, F, 512, 4096).
            sight: Which frames of this call each frame sees.
            memory: Frames of earlier calls, which every frame sees.
            written: Receives each layer's keys and values: (2, B, F, L, heads, width).

        Returns:
            Velocities. Shape: (B, F, 16, H, W).
        """
        frames = x.shape[1]
        places = rotation(turns, self.transformer.rope.t_dim, self.stride)
        self._looking.append(Look(frames, 0, places, sight, memory, written))
        try:
            velocity = self.transformer(
                hidden_states=x.flatten(0, 1)[:, :, None],
                timestep=1000 * t.flatten(),
                encoder_hidden_states=text.flatten(0, 1),
                return_dict=False,
            )[0]
        finally:
            self._looking.pop()
        unfolded: Tensor = velocity[:, :, 0].unflatten(0, (-1, frames))
        return unfolded


def load_wan(file: Path, dtype: torch.dtype = torch.bfloat16) -> CausalWan:
    """Read a checkpoint of AnchorEdit's training, or Wan's own weights in the original layout.

    Raises:
        ModelMissing: It is no such checkpoint.
    """
    from diffusers import WanTransformer3DModel
    from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers

    weights = _weights(file)
    if "patch_embedding.weight" not in weights:
        raise ModelMissing(f"{file} does not hold a Wan transformer: it has no patch embedding.")
    size = _size(weights)
    state = convert_wan_transformer_to_diffusers(weights)
    with torch.device("meta"):
        transformer = WanTransformer3DModel(**size)
    try:
        transformer.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ModelMissing(f"{file} is not a text-to-video Wan 2.1: {error}") from error
    transformer.rope = type(transformer.rope)(HEAD, (1, 2, 2), 1024)  # angles, no weights
    for name, weight in transformer.named_parameters():
        exact = any(part in name.split(".") for part in transformer._keep_in_fp32_modules)
        weight.data = weight.data.to(torch.float32 if exact else dtype)
    return CausalWan(transformer.eval().requires_grad_(False))


def _weights(file: Path) -> dict[str, Tensor]:
    """The weights by their names in Wan's own code."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            stored: dict[str, Any] = load_file(file)
        else:
            stored = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelMissing(f"{file} cannot be read as a checkpoint: {error}") from error
    held = next((name for name in HOLDERS if isinstance(stored.get(name), dict)), None)
    weights = stored if held is None else stored[held]
    wrapping = re.compile(r"^(?:(?:model|module|_fsdp_wrapped_module|_orig_mod)\.)+")
    return {
        wrapping.sub("", name.replace("_fsdp_wrapped_module.", "")): weight
        for name, weight in weights.items()
    }


def _size(weights: dict[str, Tensor]) -> dict[str, int]:
    """What the configuration must be, from the shapes of the weights."""
    layers = {int(m[1]) for name in weights if (m := re.match(r"blocks\.(\d+)\.", name))}
    width, channels = weights["patch_embedding.weight"].shape[:2]
    return {
        "num_layers": len(layers),
        "num_attention_heads": width // HEAD,
        "attention_head_dim": HEAD,
        "in_channels": channels,
        "out_channels": channels,
        "ffn_dim": weights["blocks.0.ffn.0.weight"].shape[0],
        "text_dim": weights["text_embedding.0.weight"].shape[1],
        "freq_dim": weights["time_embedding.0.weight"].shape[1],
    }


def _placed(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn heads (N, L, heads, width) by their rows and columns; all are at time 0."""
    real, imaginary = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    across = torch.stack([-imaginary, real], -1).flatten(-2)
    return (x.float() * cosine + across * sine).type_as(x)
