"""Bring a model's parts into memory as a plan says."""

from __future__ import annotations

import gc
from typing import Any

import torch

from editing_core.models.checkpoints import ModelSource
from editing_core.models.diffusers_internals import repeated_blocks_of
from editing_core.models.layouts import class_named
from editing_core.models.memory_plan import MemoryLevel, MemoryPlan
from editing_core.models.single_files import checkpoint_in, depth_in


def parts_of(
    source: ModelSource, plan: MemoryPlan | None, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Load each part by itself: without the pipeline around them this starts faster.

    Args:
        source: Where they are.
        plan: How they are held; all on the device, as they are, without one.
        device: Where to run.
        dtype: Precision of transformer and text encoders.
    """
    from transformers import AutoTokenizer

    layout, level = source.layout, plan.level if plan else None
    path = {part: str(source.base / part) for part in layout.parts}
    kind = {part: class_named(part, name) for part, name in layout.networks.items()}
    transformer = _transformer(source, kind["transformer"], level, dtype)
    vae = kind["vae"].from_pretrained(
        path["vae"], torch_dtype=torch.float32, low_cpu_mem_usage=_lean()
    )
    vae.to(device)
    encoders = {
        part: kind[part].from_pretrained(path[part], dtype=dtype) for part in layout.encoders
    }
    _place(transformer, list(encoders.values()), level, device)
    if plan:
        take_tiles(vae, plan.tile)
    readers = {part: AutoTokenizer.from_pretrained(path[part]) for part in layout.tokenizers}
    readers |= {
        part: class_named(part, name).from_pretrained(path[part])
        for part, name in layout.processors.items()
    }
    return {"transformer": transformer, "vae": vae} | encoders | readers


def take_tiles(vae: Any, side: int) -> None:
    """Let a VAE take pictures larger than ``side`` pixels in tiles that blend over a quarter."""
    vae.enable_tiling()
    if hasattr(vae, "tile_sample_min_size"):
        vae.tile_sample_min_size = side
        vae.tile_latent_min_size = side // 2 ** (len(vae.config.block_out_channels) - 1)
        return
    vae.tile_sample_min_height = vae.tile_sample_min_width = side
    vae.tile_sample_stride_height = vae.tile_sample_stride_width = side - side // 4


def compile_blocks(transformer: Any) -> None:
    """Compile the blocks, which are alike, once for all; the first call takes a minute.

    Not into CUDA graphs: a graph holds the addresses of weights, so one could not serve all blocks,
    and by the count of operations a call of FLUX.1-dev takes far longer than launching its kernels.
    """
    if repeated_blocks_of(transformer):
        transformer.compile_repeated_blocks(dynamic=False)
        return
    for block in transformer.transformer_blocks:  # Stable Diffusion 3 does not say which repeat
        block.compile(dynamic=False)


def emptied() -> None:
    """Give memory that nothing uses any more back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _lean() -> bool:
    """Whether weights can be filled in without a copy."""
    from diffusers.utils import is_accelerate_available

    return bool(is_accelerate_available())


def _transformer(
    source: ModelSource, kind: Any, level: MemoryLevel | None, dtype: torch.dtype
) -> Any:
    options: dict[str, Any] = {"torch_dtype": dtype, "low_cpu_mem_usage": _lean()}
    if quantised := _quantisation(source, level, dtype):
        options["quantization_config"] = quantised
    if source.file is None:
        return kind.from_pretrained(str(source.base / "transformer"), **options)
    try:
        return kind.from_single_file(
            checkpoint_in(source.file),
            config=str(source.base),
            subfolder="transformer",
            **depth_in(source.file, source.layout.networks["transformer"]),
            **options,
        )
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # weights of another width
        raise ValueError(str(error).splitlines()[0]) from error


def _quantisation(source: ModelSource, level: MemoryLevel | None, dtype: torch.dtype) -> Any:
    """Return diffusers' words for how weights are kept, None for as they are."""
    from diffusers import BitsAndBytesConfig, GGUFQuantizationConfig, TorchAoConfig

    if source.gguf:
        return GGUFQuantizationConfig(compute_dtype=dtype)
    if level is None or level.weights == "plain":
        return None
    if level.weights == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    from torchao import quantization as torchao

    return TorchAoConfig(
        {
            "int8": torchao.Int8WeightOnlyConfig,
            "fp8": torchao.Float8WeightOnlyConfig,
            "fp8-fast": torchao.Float8DynamicActivationFloat8WeightConfig,
        }[level.name]()
    )


def _place(
    transformer: Any, encoders: list[Any], level: MemoryLevel | None, device: torch.device
) -> None:
    cpu, stream = torch.device("cpu"), device.type == "cuda"
    if level and level.model_streamed:
        transformer.enable_group_offload(
            onload_device=device,
            offload_device=cpu,
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=stream,
        )
    elif transformer.device != device:
        transformer.to(device)
    for encoder in encoders:
        if level and level.text_streamed:
            from diffusers.hooks import apply_group_offloading

            apply_group_offloading(encoder, device, cpu, "leaf_level", use_stream=stream)
        else:
            encoder.to(device)
