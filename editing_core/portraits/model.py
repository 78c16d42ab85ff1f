"""The small FLUX we ship: every part of FLUX.1, small enough for a laptop.

The folder written by `Parts.save` is an ordinary diffusers folder:
`FluxPipeline.from_pretrained(folder)` loads it and draws captions with the stock pipeline
(pass `max_sequence_length=TEXT_LENGTH`).
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers import FluxPipeline

TEXT_LENGTH = 48
"""Tokens of a T5 prompt; FLUX.1-dev has 512. Padding takes part in attention, as there."""


@dataclass(frozen=True)
class Size:
    """How large each part is; the defaults are the shipped model."""

    width: int = 128
    heads: int = 4
    double_blocks: int = 6
    single_blocks: int = 2
    text_width: int = 128
    text_layers: int = 2
    pooled: int = 64
    vae_channels: tuple[int, ...] = (16, 32, 64, 64)
    latent_channels: int = 16
    norm_groups: int = 8


@dataclass
class Parts:
    """The components of a FLUX pipeline."""

    transformer: Any
    vae: Any
    text_encoder: Any
    text_encoder_2: Any
    tokenizer: Any
    tokenizer_2: Any

    def pipeline(self) -> FluxPipeline:
        """The stock pipeline over these parts."""
        from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

        scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
        return FluxPipeline(scheduler=scheduler, **vars(self))

    def save(self, folder: Path | str) -> None:
        """Write the diffusers folder, weights in 16 bits."""
        import torch

        models = (self.transformer, self.vae, self.text_encoder, self.text_encoder_2)
        for model in models:
            model.to(torch.float16)
        for model in (self.transformer, self.vae):
            model.register_to_config(_name_or_path="")  # a folder of whoever trained it
        for tokenizer in (self.tokenizer, self.tokenizer_2):  # training padded and cut captions
            tokenizer.backend_tokenizer.no_padding()
            tokenizer.backend_tokenizer.no_truncation()
        self.pipeline().save_pretrained(folder, safe_serialization=True)
        for model in models:
            model.to(torch.float32)


def build(size: Size = Size(), *, captions: list[str] | None = None, seed: int = 0) -> Parts:
    """Build all parts with random weights.

    Args:
        size: widths and depths.
        captions: what the tokenizers learn their vocabulary from; sampled when left out.
        seed: of the random weights.
    """
    import torch

    torch.manual_seed(seed)
    captions = captions or sample_captions(4000)
    tokenizer, tokenizer_2 = clip_tokenizer(captions), t5_tokenizer(captions)
    clip = _clip(size, len(tokenizer), tokenizer)
    return Parts(_transformer(size), _vae(size), clip, _t5(size, len(tokenizer_2)),
                 tokenizer, tokenizer_2)  # fmt: skip


def sample_captions(count: int, seed: int = 1) -> list[str]:
    """Captions as people might write them, half of them complete."""
    from editing_core.portraits.captions import caption
    from editing_core.portraits.schema import sample

    rng = random.Random(seed)
    return [
        caption(sample(rng).attributes.visible(), rng, rng.choice((1.0, rng.uniform(0.3, 1))))
        for _ in range(count)
    ]


def _transformer(size: Size) -> Any:
    from diffusers import FluxTransformer2DModel

    head = size.width // size.heads
    return FluxTransformer2DModel(
        in_channels=4 * size.latent_channels,
        num_layers=size.double_blocks,
        num_single_layers=size.single_blocks,
        attention_head_dim=head,
        num_attention_heads=size.heads,
        joint_attention_dim=size.text_width,
        pooled_projection_dim=size.pooled,
        guidance_embeds=True,
        axes_dims_rope=(head // 4, head * 3 // 8, head * 3 // 8),
    )


def _vae(size: Size) -> Any:
    from diffusers import AutoencoderKL

    levels = len(size.vae_channels)
    return AutoencoderKL(
        block_out_channels=size.vae_channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        latent_channels=size.latent_channels,
        norm_num_groups=size.norm_groups,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


_NEIGHBOURS = ((1,), (17,), (1, 2))
"""Relative places that the first heads of the T5 begin by looking at: the word before, the word
after, the two words before. Without this "red" takes long to find its hat."""


def _t5(size: Size, vocabulary: int) -> Any:
    import torch
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=vocabulary,
        d_model=size.text_width,
        d_kv=size.text_width // size.heads,
        d_ff=2 * size.text_width,
        num_layers=size.text_layers,
        num_heads=size.heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    t5 = T5EncoderModel(config)
    blocks: Any = t5.encoder.block
    bias = blocks[0].layer[0].SelfAttention.relative_attention_bias.weight
    with torch.no_grad():
        for head, places in zip(range(size.heads), _NEIGHBOURS, strict=False):
            bias[list(places), head] += 6
    return t5


def _clip(size: Size, vocabulary: int, tokenizer: Any) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=size.pooled,
        intermediate_size=2 * size.pooled,
        projection_dim=size.pooled,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=TEXT_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def t5_tokenizer(captions: list[str], length: int = TEXT_LENGTH) -> Any:
    """A unigram tokenizer: words of the captions are whole, all others fall into letters."""
    from transformers import T5Tokenizer

    counts = Counter(word for text in captions for word in re.findall(r"[A-Za-z-]+|,", text))
    total = sum(counts.values())
    words = [
        (word if word == "," else f"▁{word}", math.log(n / total)) for word, n in counts.items()
    ]
    letters = [(letter, -15.0) for letter in "▁" + ascii_letters + digits + ".'!?-"]
    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary = specials + sorted(words) + letters
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=length)


def clip_tokenizer(captions: list[str], length: int = TEXT_LENGTH) -> Any:
    """A tokenizer of byte pairs, learnt from the captions."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    learner = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[a-z]+|[^\sa-z]+"), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=800,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
    )
    learner.train_from_iterator(captions, trainer)
    state = json.loads(learner.to_str())["model"]
    merges: Any = [tuple(merge) for merge in state["merges"]]
    return CLIPTokenizer(
        vocab=_in_order(state["vocab"], state["merges"]),
        merges=merges,
        model_max_length=length,
    )


def _in_order(vocabulary: dict[str, int], merges: list[list[str]]) -> dict[str, int]:
    """The same with the letters that end words in alphabetical order; the trainer's is random."""
    merged = {"".join(merge) for merge in merges}
    ends = [piece for piece in vocabulary if piece.endswith("</w>") and piece not in merged]
    numbers = sorted(vocabulary[piece] for piece in ends)
    return vocabulary | dict(zip(sorted(ends), numbers, strict=True))
