"""Features of one model call, lent to another."""

from types import SimpleNamespace

import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb
from method_cases import processors
from tiny_flux import tiny_flux

from editing_core.feature_injection import FeatureInjection, later_layers, layers_like
from editing_core.models.canvas import Canvas
from editing_core.models.flux_attention import JointProcessor

CANVAS = Canvas(48, 80)
ALL = ("query", "key", "value", "output")


def sharing(parts, text=True):
    return FeatureInjection(tiny_flux().attention(), dict.fromkeys(range(7), parts), text=text)


def velocity(x, prompt="a woman with a red hat", t=0.7):
    flux = tiny_flux()
    return flux.velocity(x, t, flux.encode_text(prompt), guidance=3.0, canvas=CANVAS)


def states(seed):
    return torch.randn(1, CANVAS.tokens, 64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("parts", [ALL[:1], ALL[1:3], ALL])
@pytest.mark.parametrize("text", [True, False])
def test_a_call_lent_its_own_features_stays_the_same(parts, text):
    plain, other = velocity(states(0)), velocity(states(1))
    with sharing(parts, text) as shared:
        with shared.record() as features:
            recorded = velocity(states(0))
        with shared.lend(features):
            again = velocity(states(0))
        after = velocity(states(1))
    assert torch.equal(recorded, plain) and torch.equal(after, other)
    torch.testing.assert_close(again, plain, atol=1e-6, rtol=0)
    assert set(features) == {(block, part) for block in range(7) for part in parts}


def test_features_of_another_call_change_the_velocity():
    plain = velocity(states(0))
    for part in ALL:
        with sharing([part]) as shared:
            with shared.record() as features:
                velocity(states(1), "an old man")
            with shared.lend(features):
                assert (velocity(states(0)) - plain).abs().max() > 1e-4


def qkv(attn, picture, text, rotary):
    """Queries, keys and values as diffusers makes them, written out."""

    def heads(x):
        return x.unflatten(-1, (attn.heads, -1))

    query, key = attn.norm_q(heads(attn.to_q(picture))), attn.norm_k(heads(attn.to_k(picture)))
    value = heads(attn.to_v(picture))
    if text is not None:
        query = torch.cat([attn.norm_added_q(heads(attn.add_q_proj(text))), query], 1)
        key = torch.cat([attn.norm_added_k(heads(attn.add_k_proj(text))), key], 1)
        value = torch.cat([heads(attn.add_v_proj(text)), value], 1)
    query = apply_rotary_emb(query, rotary, sequence_dim=1)
    return query, apply_rotary_emb(key, rotary, sequence_dim=1), value


def dense(attn, source, target, rotary, parts, first):
    """The whole score matrix, of the target's features and the source's from token ``first`` on."""
    mixed = {}
    of_source, of_target = qkv(attn, *source, rotary), qkv(attn, *target, rotary)
    for name, features in (("source", (of_source,) * 3), ("target", (of_target,) * 3)):
        query, key, value = (x[i].clone() for i, x in enumerate(features))
        for part, x, other in zip(ALL, (query, key, value), of_source, strict=False):
            if name == "target" and part in parts:
                x[:, first:] = other[:, first:]
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5
        mixed[name] = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), value)
    if "output" in parts:
        mixed["target"][:, first:] = mixed["source"][:, first:]
    return mixed["target"].flatten(2)


@pytest.mark.parametrize("parts", [("key", "value"), ("query", "key"), ("value",), ("output",)])
@pytest.mark.parametrize("double", [True, False])
@torch.no_grad()
def test_equals_the_dense_formula(double, parts):
    flux = tiny_flux()
    transformer, text_tokens = flux.transformer, flux.text_length
    blocks = transformer.transformer_blocks if double else transformer.single_transformer_blocks
    attn, index = blocks[0].attn, 0 if double else 6
    grid = torch.cartesian_prod(*(torch.arange(n) for n in (1, CANVAS.rows, CANVAS.cols)))
    rotary = transformer.pos_embed(torch.cat([torch.zeros(text_tokens, 3), grid]).float())
    random = torch.Generator().manual_seed(0)

    def inputs():
        tokens = 3 * torch.randn(
            1, text_tokens + CANVAS.tokens, transformer.inner_dim, generator=random
        )
        return (tokens[:, text_tokens:], tokens[:, :text_tokens]) if double else (tokens, None)

    source, target = inputs(), inputs()
    with FeatureInjection(flux.attention(), {index: parts}) as shared:
        with shared.record() as features:
            attn.processor(attn, *source, image_rotary_emb=rotary)
        with shared.lend(features):
            got = attn.processor(attn, *target, image_rotary_emb=rotary)
    expected = dense(attn, source, target, rotary, parts, text_tokens)
    if double:
        picture, text = expected[:, text_tokens:], expected[:, :text_tokens]
        torch.testing.assert_close(got[0], attn.to_out[0](picture), atol=1e-5, rtol=0)
        torch.testing.assert_close(got[1], attn.to_add_out(text), atol=1e-5, rtol=0)
    else:
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_processors_are_put_back_after_an_error():
    before = processors()
    with pytest.raises(KeyboardInterrupt), sharing(ALL) as shared, shared.record():
        assert all(isinstance(processor, JointProcessor) for processor in processors())
        raise KeyboardInterrupt
    assert processors() == before
    assert shared.recorded is None and shared.lent == {}


def of_depth(joint, single):
    streams = ["joint"] * joint + ["single"] * single
    return [SimpleNamespace(index=i, stream=stream) for i, stream in enumerate(streams)]


def test_layers_of_flux_scale_to_other_depths():
    vital = {"joint": (0, 1, 17, 18), "single": (6, 9, 34, 35, 37)}
    expected = (0, 1, 17, 18, 25, 28, 53, 54, 56)
    assert layers_like(of_depth(19, 38), **vital) == expected
    assert layers_like(of_depth(6, 2), **vital) == (0, 5)
    assert layers_like(of_depth(6, 2), (), range(20, 38)) == (7,)
    assert layers_like(of_depth(6, 2), (), range(38)) == (6, 7)


def test_later_layers():
    assert later_layers(of_depth(19, 38), 10 / 16) == tuple(range(36, 57))
    assert later_layers(of_depth(6, 2), 10 / 16) == (5, 6, 7)
