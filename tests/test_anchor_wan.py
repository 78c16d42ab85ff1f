"""The causal memory in Wan's layout: against diffusers' own forward pass, and from checkpoints."""

from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from editing_core.anchor.attention import causal
from editing_core.anchor.kv_cache import Frame, Memory
from editing_core.anchor.wan import CausalWan, load_wan
from editing_core.errors import ModelMissing

T = 4
ALONE = ((),)
NAMES = (
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("attn1", "self_attn"),
    ("attn2", "cross_attn"),
    ("to_out.0", "o"),
    ("to_q", "q"),
    ("to_k", "k"),
    ("to_v", "v"),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    ("norm2", "norm3"),
    ("proj_out", "head.head"),
)
"""What diffusers calls the parts, and what Wan's own code does."""


def transformer(heads: int = 2, layers: int = 2, **more: int) -> WanTransformer3DModel:
    torch.manual_seed(2)
    size = {"text_dim": 32, "ffn_dim": 96} | more
    return WanTransformer3DModel(num_attention_heads=heads, num_layers=layers, **size).eval()


@cache
def causal_wan() -> CausalWan:
    return CausalWan(transformer()).eval().requires_grad_(False)


def session() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents, times, turns and texts of two sessions."""
    chance = torch.Generator().manual_seed(3)
    x = torch.randn(2, T, 16, 6, 4, generator=chance)
    text = torch.randn(2, T, 7, 32, generator=chance)
    return x, torch.zeros(2, T), torch.arange(T).expand(2, T), text


@torch.no_grad()
def test_seeing_all_it_is_diffusers_own_video_transformer() -> None:
    """Known answer: all frames see all, one text and time for all, places one apart."""
    x, t, turns, text = session()
    text = text[:, :1].expand(-1, T, -1, -1)
    every = [[g for g in range(T) if g != f] for f in range(T)]
    ours = CausalWan(transformer(), stride=1)(x, t + 0.7, turns, text, every)
    stock = transformer()(
        x.transpose(1, 2), torch.full((2,), 700.0), text[:, 0], return_dict=False
    )[0].transpose(1, 2)  # fmt: skip
    assert (ours - stock).abs().max() < 1e-5


@pytest.mark.parametrize("window", [None, 1])
def test_turn_after_turn_is_all_turns_at_once(window: int | None) -> None:
    x, t, turns, text = session()
    together = causal_wan()(x, t, turns, text, causal(T, window))
    memory = Memory(window=T if window is None else window)
    for k in range(T):
        written: list[Tensor] = []
        one = (slice(None), slice(k, k + 1))
        alone = causal_wan()(x[one], t[one], turns[one], text[one], ALONE, memory=memory.seen,
                             written=written)  # fmt: skip
        assert (alone[:, 0] - together[:, k]).abs().max() < 1e-5
        memory = memory.remember(Frame(k, torch.stack(written)[:, :, :, 0]))


def original_layout(model: WanTransformer3DModel) -> dict[str, Tensor]:
    found = {}
    for name, weight in model.state_dict().items():
        if name == "scale_shift_table":
            name = "head.modulation"
        name = name.replace("scale_shift_table", "modulation")
        for theirs, own in NAMES:
            name = name.replace(theirs, own)
        found[name] = weight
    return found


@pytest.mark.parametrize("prefix", ["", "model.", "model._fsdp_wrapped_module."])
@pytest.mark.parametrize("holder", ["generator_ema", "generator", None])
def test_a_checkpoint_in_their_layout_is_read(
    tmp_path: Path, prefix: str, holder: str | None
) -> None:
    weights = {prefix + name: weight for name, weight in original_layout(transformer()).items()}
    torch.save(weights if holder is None else {holder: weights, "step": 3}, tmp_path / "model.pt")
    x, t, turns, text = session()
    loaded = load_wan(tmp_path / "model.pt", torch.float32)
    with torch.no_grad():
        ours = loaded(x, t, turns, text, causal(T))
    assert torch.equal(ours, causal_wan()(x, t, turns, text, causal(T)))


def test_what_is_no_checkpoint_is_said(tmp_path: Path) -> None:
    torch.save({"generator": {"a": torch.zeros(1)}}, tmp_path / "other.pt")
    (tmp_path / "broken.pt").write_bytes(b"no")
    for name, reason in (("other", "no patch embedding"), ("broken", "cannot be read")):
        with pytest.raises(ModelMissing, match=reason):
            load_wan(tmp_path / f"{name}.pt")


@pytest.mark.slow
def test_one_layer_of_the_14b_model_in_its_exact_width(tmp_path: Path) -> None:
    """5120 wide, 40 heads, 13824 in the middle, 4096 of text; one layer of forty."""
    wide = transformer(heads=40, layers=1, text_dim=4096, ffn_dim=13824)
    torch.save({"generator": original_layout(wide)}, tmp_path / "wide.pt")
    del wide
    model = load_wan(tmp_path / "wide.pt", torch.float32)
    assert model.transformer.config.num_attention_heads == 40
    x, t, turns, _ = session()
    text = torch.randn(2, T, 8, 4096)
    with torch.no_grad():
        together = model(x, t, turns, text, causal(T))
        blind = model(x[:, :1], t[:, :1], turns[:, :1], text[:, :1], ALONE)
    assert (together[:, :1] - blind).abs().max() < 1e-4
