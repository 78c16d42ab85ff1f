"""A FLUX.2 klein of random weights, small enough to build in every test run."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from editing_core.models.flux2 import DistilledFlux2, Flux2

WORDS = ["a portrait of a smiling young woman with a brown bob, a red hat, blue t-shirt"]
TEXT_LENGTH = 48
TEXT_LAYERS = (1, 2, 3)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n"
)


def qwen_tokenizer(*more: str) -> Any:
    """Byte pairs learnt from the words, in a chat template like Qwen3's; ``more`` stand whole."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    learner.train_from_iterator([*WORDS * 3, "user assistant think"], trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    vocabulary = learner.get_vocab()
    for special in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *more):
        vocabulary[special] = len(vocabulary)
    return Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        model_max_length=TEXT_LENGTH,
        chat_template=TEMPLATE,
        extra_special_tokens=["<|im_start|>", "<|im_end|>", *more],
    )


def _text_encoder(vocabulary: int, *, layers: int) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    return Qwen3ForCausalLM(config).eval()


@lru_cache(1)
def tiny_parts2() -> dict[str, Any]:
    from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel

    tokenizer = qwen_tokenizer()
    torch.manual_seed(0)
    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 32,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
    )
    vae.bn.running_mean.normal_()
    vae.bn.running_var.uniform_(0.5, 2.0)
    return {
        "transformer": transformer.eval(),
        "vae": vae.eval(),
        "text_encoder": _text_encoder(len(tokenizer), layers=3),
        "tokenizer": tokenizer,
    }


def write_repository2(folder: Path, *, distilled: bool = False) -> dict[str, Any]:
    """Write every file of klein's repository; its text encoder has layers enough for klein's taps.

    Returns the parts that were written.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    parts = dict(tiny_parts2())
    torch.manual_seed(1)
    parts["text_encoder"] = _text_encoder(len(parts["tokenizer"]), layers=28)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    pipeline = Flux2KleinPipeline(scheduler=scheduler, is_distilled=distilled, **parts)
    pipeline.save_pretrained(folder)
    return parts


@lru_cache(1)
def tiny_flux2() -> Flux2:
    return Flux2(**tiny_parts2(), name="tiny", text_layers=TEXT_LAYERS)


@lru_cache(1)
def tiny_distilled() -> DistilledFlux2:
    """The same network, taken for one that was distilled."""
    return DistilledFlux2(**tiny_parts2(), name="tiny, distilled", text_layers=TEXT_LAYERS)
