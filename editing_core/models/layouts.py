"""What stands in a model's folder, by family: its networks, its tokenizers, and their limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from editing_core.models.configs import (
    FLUX_DEV,
    KLEIN_BASE,
    QWEN_IMAGE,
    QWEN_IMAGE_EDIT,
    SD35_LARGE,
    Z_IMAGE,
    Configs,
)

FIRST = "FluxTransformer2DModel"  # the family of folders that do not name theirs


@dataclass(frozen=True)
class Layout:
    """A folder of a pipeline of diffusers.

    Attributes:
        family: For people.
        model: What the published model is called.
        networks: Class of each part that has weights, the transformer first, then the VAE.
        tokenizers: Parts that are tokenizers.
        processors: Class of each part that cuts pictures into patches for a reader.
        published: Configurations of the model that the family is named for: others may differ in
            their numbers, not in the types of those.
        text: The tokenizer that the tokens of a prompt are counted by.
        longest_text: Tokens that a prompt may have.
        channels: What the VAE's configuration calls the channels of its latents.
        packed: Times these that the transformer takes.
        live: Tensors of (tokens, width) that a block needs at the most, beside weights.
        turning: Whether turning its queries in float32 may need more.
        vae_live: Tensors of the VAE's finest level that it needs at the most, beside weights.
    """

    family: str
    model: str
    networks: Mapping[str, str]
    tokenizers: tuple[str, ...]
    published: Configs
    text: str
    longest_text: int = 512
    channels: str = "latent_channels"
    packed: int = 4
    live: float = 15
    turning: bool = False
    vae_live: int = 5
    processors: Mapping[str, str] = field(default_factory=dict)

    @property
    def encoders(self) -> tuple[str, ...]:
        """Parts that read the prompt."""
        return tuple(part for part in self.networks if part not in ("transformer", "vae"))

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts, those with weights first."""
        return (*self.networks, *self.tokenizers, *self.processors)


LAYOUTS = {
    FIRST: Layout(
        family="FLUX.1",
        model="FLUX.1-dev",
        networks={
            "transformer": FIRST,
            "vae": "AutoencoderKL",
            "text_encoder": "CLIPTextModel",
            "text_encoder_2": "T5EncoderModel",
        },
        tokenizers=("tokenizer", "tokenizer_2"),
        published=FLUX_DEV,
        text="tokenizer_2",
        turning=True,
    ),
    "Flux2Transformer2DModel": Layout(
        family="FLUX.2 klein",
        model="FLUX.2 [klein] 4B Base",
        networks={
            "transformer": "Flux2Transformer2DModel",
            "vae": "AutoencoderKLFlux2",
            "text_encoder": "Qwen3ForCausalLM",
        },
        tokenizers=("tokenizer",),
        published=KLEIN_BASE,
        text="tokenizer",
        live=22,
    ),
    "QwenImageTransformer2DModel": Layout(
        family="Qwen-Image",
        model="Qwen-Image",
        networks={
            "transformer": "QwenImageTransformer2DModel",
            "vae": "AutoencoderKLQwenImage",
            "text_encoder": "Qwen2_5_VLForConditionalGeneration",
        },
        tokenizers=("tokenizer",),
        published=QWEN_IMAGE,
        text="tokenizer",
        longest_text=1024,
        channels="z_dim",
        live=13.5,
        vae_live=18,
    ),
    "ZImageTransformer2DModel": Layout(
        family="Z-Image",
        model="Z-Image",
        networks={
            "transformer": "ZImageTransformer2DModel",
            "vae": "AutoencoderKL",
            "text_encoder": "Qwen3Model",
        },
        tokenizers=("tokenizer",),
        published=Z_IMAGE,
        text="tokenizer",
        packed=1,
    ),
    "SD3Transformer2DModel": Layout(
        family="Stable Diffusion 3.5",
        model="Stable Diffusion 3.5",
        networks={
            "transformer": "SD3Transformer2DModel",
            "vae": "AutoencoderKL",
            "text_encoder": "CLIPTextModelWithProjection",
            "text_encoder_2": "CLIPTextModelWithProjection",
            "text_encoder_3": "T5EncoderModel",
        },
        tokenizers=("tokenizer", "tokenizer_2", "tokenizer_3"),
        published=SD35_LARGE,
        text="tokenizer_3",
        longest_text=256,
        packed=1,
        live=12.5,
    ),
}
"""By the class of the transformer, as a folder in diffusers' layout names it."""

_EDITOR = replace(
    LAYOUTS["QwenImageTransformer2DModel"],
    family="Qwen-Image-Edit",
    model="Qwen-Image-Edit",
    published=QWEN_IMAGE_EDIT,
    processors={"processor": "Qwen2VLImageProcessorPil"},
)
BY_PIPELINE = {
    "QwenImageEditPipeline": replace(_EDITOR, longest_text=1024 + 1408),
    "QwenImageEditPlusPipeline": replace(_EDITOR, longest_text=1024 + 3 * 192),
}
"""Where the pipeline has more parts than the class of the transformer tells: text and pictures."""


def class_named(part: str, name: str) -> Any:
    """Return a class of diffusers or transformers; seconds, the first time."""
    if part in ("transformer", "vae"):
        import diffusers

        return getattr(diffusers, name)
    import transformers

    return getattr(transformers, name)


def build(configs: Configs, *, only: str = "", layout: Layout | None = None) -> dict[str, Any]:
    """Make the networks of these configurations with random weights, where torch now makes them.

    Under ``torch.device("meta")`` that takes neither time nor memory.

    Args:
        configs: Of all networks of a pipeline.
        only: One of them; all if left out.
        layout: Their layout; that of the transformer's configuration if left out.
    """
    if layout is None:
        layout = LAYOUTS[configs["transformer"].get("_class_name", FIRST)]
    return {
        part: _maker(part, name)(configs[part])
        for part, name in layout.networks.items()
        if only in ("", part)
    }


def _maker(part: str, name: str) -> Callable[[dict[str, Any]], Any]:
    kind = class_named(part, name)
    if part in ("transformer", "vae"):
        return lambda said: kind.from_config(said)
    return lambda said: kind(kind.config_class.from_dict(said))
