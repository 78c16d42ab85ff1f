from dataclasses import replace

import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb
from tiny_flux import tiny_flux

from editing_core.attention_guidance import (
    AttentionControl,
    chosen_maps,
    chosen_ranks,
    localised,
    mask_of,
)
from editing_core.models.canvas import Canvas
from editing_core.models.flux_attention import JointProcessor
from editing_core.settings import EditSettings
from editing_core.solvers import SolverStep

SETTINGS = EditSettings()
CANVASES = [Canvas(64, 64), Canvas(112, 48), Canvas(40, 90)]
PROMPT = "a woman with a red hat"
HAT = (4, 5)


def control(canvas, settings=SETTINGS, columns=HAT):
    flux = tiny_flux()
    return AttentionControl(flux, settings, flux.encode_text(PROMPT), columns, canvas)


def random_inputs(canvas, seed=0):
    """Picture and text states, and the model's own rotary embedding for the canvas."""
    generator = torch.Generator().manual_seed(seed)
    flux = tiny_flux()
    width, text_tokens = flux.transformer.inner_dim, flux.text_length
    rows, cols = torch.meshgrid(torch.arange(canvas.rows), torch.arange(canvas.cols), indexing="ij")
    picture_ids = torch.stack([torch.zeros_like(rows), rows, cols], -1).view(-1, 3)
    rotary = flux.transformer.pos_embed(torch.cat([torch.zeros(text_tokens, 3), picture_ids]))
    return (
        3 * torch.randn(1, canvas.tokens, width, generator=generator),
        3 * torch.randn(1, text_tokens, width, generator=generator),
        rotary,
    )


def dense_reference(attn, picture, text, rotary, *, factors, emphasised, watched):
    """The whole score matrix, with chosen text columns of picture rows scaled after the softmax."""

    def heads(x):
        return x.unflatten(-1, (attn.heads, -1))

    def joint(of_text, of_picture):
        return torch.cat([of_text, of_picture], 1)

    query = joint(
        attn.norm_added_q(heads(attn.add_q_proj(text))), attn.norm_q(heads(attn.to_q(picture)))
    )
    key = joint(
        attn.norm_added_k(heads(attn.add_k_proj(text))), attn.norm_k(heads(attn.to_k(picture)))
    )
    value = joint(heads(attn.add_v_proj(text)), heads(attn.to_v(picture)))
    query = apply_rotary_emb(query, rotary, sequence_dim=1)
    key = apply_rotary_emb(key, rotary, sequence_dim=1)
    scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5
    weights = scores.softmax(-1)
    t = text.shape[1]
    seen = weights[0, :, t:][:, :, list(watched)].mean(0).T
    for column in emphasised:
        weights[:, :, t:, column] *= factors
    mixed = torch.einsum("bhqk,bkhd->bqhd", weights, value).flatten(2)
    return attn.to_out[0](mixed[:, t:]), attn.to_add_out(mixed[:, :t]), seen


@pytest.mark.parametrize("columns", ["prompt", "first15"])
@pytest.mark.parametrize("canvas", CANVASES)
@torch.no_grad()
def test_equals_the_dense_formula(canvas, columns):
    watcher = control(canvas, replace(SETTINGS, columns=columns, guide_from=0))
    watcher.mask = torch.rand(canvas.rows, canvas.cols) > 0.5
    attn = tiny_flux().transformer.transformer_blocks[1].attn
    picture, text, rotary = random_inputs(canvas)

    with watcher:
        got = attn.processor(attn, picture, text, image_rotary_emb=rotary)

    factors = torch.where(watcher.mask.flatten(), 2.0, 0.8)
    emphasised = range(6) if columns == "prompt" else range(15)
    *expected, seen = dense_reference(
        attn,
        picture,
        text,
        rotary,
        factors=factors,
        emphasised=emphasised,
        watched=watcher.candidates,
    )
    torch.testing.assert_close(got[0], expected[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(got[1], expected[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(watcher.maps[1], seen, atol=1e-5, rtol=0)
    plain = attn.processor(attn, picture, text, image_rotary_emb=rotary)
    assert (got[0] - plain[0]).abs().max() > 1e-2  # the emphasis is no trifle here


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("canvas", CANVASES)
@torch.no_grad()
def test_without_emphasis_equals_diffusers(canvas, fused):
    attn = tiny_flux().transformer.transformer_blocks[0].attn
    picture, text, rotary = random_inputs(canvas)
    if fused:
        attn.fuse_projections()
    try:
        with control(canvas):
            got = attn.processor(attn, picture, text, image_rotary_emb=rotary)
        expected = attn.processor(attn, picture, text, image_rotary_emb=rotary)
    finally:
        attn.unfuse_projections() if fused else None
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1], expected[1])


def velocity(canvas, x):
    flux = tiny_flux()
    return flux.velocity(x, 0.7, flux.encode_text(PROMPT), guidance=3.0, canvas=canvas)


def test_watching_leaves_the_velocity_alone():
    canvas = Canvas(48, 80)
    x = torch.randn(1, canvas.tokens, 64)
    with control(canvas, replace(SETTINGS, guide_from=0)) as watcher:
        watched = velocity(canvas, x)
    assert torch.equal(watched, velocity(canvas, x))
    assert sorted(watcher.maps) == list(range(6))
    assert watcher.maps[0].shape == (len(watcher.candidates), canvas.tokens)


def test_a_mask_is_used_from_the_step_after_it_was_seen():
    canvas = Canvas(48, 80)
    x = torch.randn(1, canvas.tokens, 64)
    plain = velocity(canvas, x)
    changed = []
    with control(canvas) as watcher:
        for index in range(6):
            changed.append(not torch.equal(velocity(canvas, x), plain))
            watcher.after_step(SolverStep(index, 6, 0.5, x, x))
    assert changed == [False] * 4 + [True] * 2
    assert watcher.mask.shape == (canvas.rows, canvas.cols)


def test_processors_are_put_back_after_an_error():
    blocks = tiny_flux().transformer.transformer_blocks
    before = [block.attn.processor for block in blocks]
    with pytest.raises(KeyboardInterrupt), control(Canvas(32, 32)):
        assert isinstance(blocks[0].attn.processor, JointProcessor)
        raise KeyboardInterrupt
    assert [block.attn.processor for block in blocks] == before


def test_without_edit_words_nothing_is_installed():
    blocks = tiny_flux().transformer.transformer_blocks
    with control(Canvas(32, 32), columns=()):
        assert not any(isinstance(block.attn.processor, JointProcessor) for block in blocks)


def test_ranks_of_19_blocks_scale_to_other_depths():
    assert chosen_ranks(19, (10, 14)) == slice(9, 14)
    assert chosen_ranks(19, (12, 15)) == slice(11, 15)
    assert chosen_ranks(6, (10, 14)) == slice(3, 5)
    assert chosen_ranks(1, (10, 14)) == slice(0, 1)
    for depth in range(1, 40):
        chosen = range(depth)[chosen_ranks(depth, (10, 14))]
        assert 1 <= len(chosen) <= depth


def test_the_mask_is_the_mean_of_the_chosen_ranks():
    """Blocks ranked 10 to 14 by activation look to the right end, all others to the left."""
    maps = torch.zeros(19, 40)
    for block in range(19):
        maps[block, : 20 - block] = 1.0  # the lower the block, the more it is active
    maps[9:14] = maps[9:14].flip(1)
    generator = torch.Generator().manual_seed(0)
    scaled = maps * (1 + torch.rand(19, 1, generator=generator)) + 0.1  # undone by min-max
    shuffled = scaled[torch.randperm(19, generator=generator)]
    mask = mask_of(shuffled[chosen_maps(shuffled, range(19), SETTINGS)], SETTINGS.tau)
    two_of_five_agree = list(range(30, 40))  # one would be 0.2 on average, below tau
    assert mask.nonzero().flatten().tolist() == two_of_five_agree


def test_maps_that_tell_nothing_select_nothing():
    assert not mask_of(torch.ones(6, 12), SETTINGS.tau).any()


def test_layers_that_were_measured_are_taken_whatever_their_rank():
    maps = torch.rand(4, 20, generator=torch.Generator().manual_seed(0))
    by_rank = chosen_maps(maps, [3, 5, 7, 9], SETTINGS)
    measured = replace(SETTINGS, layers=(9, 3, 8))
    assert chosen_maps(maps, [3, 5, 7, 9], measured) == [3, 0]
    for nothing_measured in ((), (8,), "measured"):
        settings = replace(SETTINGS, layers=nothing_measured)
        assert chosen_maps(maps, [3, 5, 7, 9], settings) == by_rank


def test_the_layers_of_the_settings_make_the_mask():
    canvas = Canvas(48, 80)
    x = torch.randn(1, canvas.tokens, 64)
    for layers in ((1, 4), (0,)):
        with control(canvas, replace(SETTINGS, guide_from=0, layers=layers)) as watcher:
            velocity(canvas, x)
            watcher.after_step(SolverStep(0, 6, 0.5, x, x))
        assert watcher.blocks == layers


def lit(count, of=20):
    """A map in which so many picture tokens light up."""
    row = torch.zeros(of)
    row[:count] = 1.0
    return row


def test_a_diffuse_edit_word_is_dropped():
    maps = torch.stack([lit(3), lit(15), lit(5), lit(1)])
    assert localised(maps, own=3).tolist() == [0, 2]


def test_a_better_localised_word_of_the_phrase_is_taken():
    maps = torch.stack([lit(15), lit(12), lit(9), lit(2)])
    assert localised(maps, own=2).tolist() == [3]


def test_the_other_words_of_the_phrase_are_watched_too():
    assert control(Canvas(48, 80), columns=(5,)).candidates == (5, 1, 2, 4)
