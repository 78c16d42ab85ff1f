"""The judges of the photographs bench: known answers, and networks that are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_networks import EXTRA, photograph, save_networks

from editing_core.bench.photographs.names import NetworkNames
from editing_core.clip import DEVIATION, MEAN, pixel_values
from editing_core.errors import ModelMissing

pytest.importorskip("torchmetrics", reason=EXTRA)

from editing_core.bench.photographs.networks import (  # noqa: E402
    Networks,
    layers,  # noqa: E402
    load_networks,
)
from editing_core.bench.photographs.similarity import (  # noqa: E402
    _shown,
    scores,
    self_similarity,
)
from editing_core.bench.summary import frechet_distance  # noqa: E402


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> NetworkNames:
    return save_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def networks(names: NetworkNames) -> Networks:
    return load_networks(names)


def test_a_picture_is_identical_to_itself(networks) -> None:
    cat = photograph("cat", 128)
    same = scores(networks, cat, cat, "a cat", None)
    assert same.clip_picture == pytest.approx(1, abs=1e-6)
    assert (same.structure, same.lpips, same.psnr, same.mse) == (0, 0, 99, 0)
    assert same.ssim == pytest.approx(1, abs=1e-6)
    assert -100 <= same.clip_text <= 100


def test_other_pictures_are_apart_in_all_measures(networks) -> None:
    coffee = photograph("coffee", 96)
    other = scores(networks, coffee, photograph("astronaut", 96).resize(coffee.size), "cup", None)
    assert other.clip_picture < 0.9999
    assert min(other.structure, other.lpips, other.mse) > 1e-5
    assert other.psnr < 20 and other.ssim < 0.9


def test_clips_cosines_are_those_of_the_whole_model(networks, names) -> None:
    from transformers import AutoTokenizer, CLIPModel

    cat, red = photograph("cat", 128), Image.new("RGB", (128, 85), "red")
    found = scores(networks, red, cat, "a photo of a cat", None)
    model, tokenizer = (kind.from_pretrained(names.clip) for kind in (CLIPModel, AutoTokenizer))
    pixels = torch.cat([pixel_values(image, 32, MEAN, DEVIATION) for image in (cat, red)])
    words = tokenizer("a photo of a cat", return_tensors="pt").input_ids
    with torch.no_grad():
        told = model(pixel_values=pixels, input_ids=words)
    assert found.clip_text == pytest.approx(100 * float(told.text_embeds @ told.image_embeds[0]))
    both = float(told.image_embeds[0] @ told.image_embeds[1])
    assert found.clip_picture == pytest.approx(both, abs=1e-6)


def test_outside_of_a_mask_by_hand(networks) -> None:
    dark, light = Image.new("RGB", (64, 64), (51, 51, 51)), Image.new("RGB", (64, 64), (102,) * 3)
    mask = np.zeros((64, 64), dtype=bool)
    mask[:, :32] = True
    half = scores(networks, dark, light, "", mask)
    assert half.mse == pytest.approx(0.5 * 0.2**2)  # averaged over all pixels, black ones too
    assert half.psnr == pytest.approx(10 * np.log10(1 / 0.02))


def test_what_changes_where_it_should_is_not_held_against_an_edit(networks) -> None:
    cat = photograph("cat", 128)
    edited, mask = cat.copy(), np.zeros((cat.height, cat.width), dtype=bool)
    edited.paste("red", (20, 20, 60, 60))
    mask[20:60, 20:60] = True
    asked_for = scores(networks, cat, edited, "a cat", mask)
    assert (asked_for.lpips, asked_for.psnr, asked_for.mse) == (0, 99, 0)
    assert asked_for.structure > 0
    elsewhere = scores(networks, cat, edited, "a cat", np.roll(mask, 50, axis=1))
    assert elsewhere.lpips > 0 and elsewhere.psnr < 30


def test_nothing_lies_outside_of_a_mask_of_everything(networks) -> None:
    cat = photograph("cat", 128)
    everywhere = scores(networks, cat, cat, "a cat", np.ones((cat.height, cat.width), dtype=bool))
    assert everywhere.lpips is everywhere.psnr is everywhere.ssim is everywhere.mse is None


def test_lpips_is_that_of_torchmetrics(networks, monkeypatch) -> None:
    import torchmetrics.functional.image.lpips as theirs

    own = layers()
    own.load_state_dict(networks.perceptual.features.state_dict())
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda net, pretrained=False: own)
    reference = theirs._NoTrainLpips(net="squeeze")
    a, b = torch.rand(2, 1, 3, 70, 97) * 2 - 1
    with torch.no_grad():
        assert float(networks.perceptual(a, b)) == pytest.approx(float(reference(a, b)), rel=1e-6)


def test_structure_is_the_likeness_of_the_last_layers_keys(networks) -> None:
    cat, dino = photograph("cat", 128), networks.dino
    with torch.no_grad():
        found = self_similarity(networks, cat)
        shown = _shown(cat, 32, 8, "right")
        assert shown.shape == (1, 3, 32, 48)
        told = dino(pixel_values=shown, interpolate_pos_encoding=True, output_hidden_states=True)
        last = dino.layers[-1]
        keys = last.attention.k_proj(last.layernorm_before(told.hidden_states[-2]))[0]
    assert found.shape == (1 + 4 * 6,) * 2
    cosine = torch.nn.functional.cosine_similarity
    assert float(found[3, 7]) == pytest.approx(float(cosine(keys[3], keys[7], dim=0)), abs=1e-5)
    assert torch.diagonal(found).numpy() == pytest.approx(1)


def test_published_structure_is_of_levels_up_to_255(networks) -> None:
    white = Image.new("RGB", (64, 64), "white")
    assert _shown(white, 32, 8, "right")[0, 0].mean() == pytest.approx((1 - 0.485) / 0.229)
    assert _shown(white, 32, 8, "published")[0, 0].mean() == pytest.approx((255 - 0.485) / 0.229)
    published = replace(networks, names=replace(networks.names, levels="published"))
    cat = photograph("cat", 128)
    assert not torch.allclose(self_similarity(networks, cat), self_similarity(published, cat))


def test_the_longer_side_that_dino_sees_has_an_end() -> None:
    assert _shown(Image.new("RGB", (400, 300)), 224, 8, "right").shape == (1, 3, 224, 298)
    assert _shown(Image.new("RGB", (300, 900)), 224, 8, "right").shape == (1, 3, 480, 160)


def test_the_frechet_distance_is_the_one_of_torchmetrics() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(1, [1, 2, 3, 4], size=(40, 4))
    as_they_are = torch.nn.Identity()
    as_they_are.num_features = 4
    theirs = FrechetInceptionDistance(feature=as_they_are)
    theirs.update(torch.from_numpy(x), real=True)
    theirs.update(torch.from_numpy(y), real=False)
    assert frechet_distance(x, y) == pytest.approx(float(theirs.compute()), rel=1e-4)


def test_a_network_of_another_kind_is_refused(names) -> None:
    with pytest.raises(ModelMissing, match="The DINO .* cannot be loaded"):
        load_networks(replace(names, dino=names.clip))
    with pytest.raises(ModelMissing, match="The network of features .* cannot be loaded"):
        load_networks(replace(names, features=names.clip))
    with pytest.raises(ModelMissing, match="The SqueezeNet .* cannot be loaded"):
        load_networks(replace(names, perceptual=str(Path(names.dino) / "model.safetensors")))


def test_inception_is_asked_for_by_its_layer(names, monkeypatch) -> None:
    with pytest.raises(ModelMissing, match="no layer 100; say one of 64, 192, 768, 2048"):
        load_networks(replace(names, features="inception-100"))

    class Stand(torch.nn.Module):
        def __init__(self, name: str, wanted: list[str]) -> None:
            super().__init__()
            self.width = int(wanted[0])

        def forward(self, levels: torch.Tensor) -> torch.Tensor:
            assert levels.dtype == torch.uint8 and levels.shape == (1, 3, 85, 128)
            return torch.full((1, self.width), float(levels.float().mean()))

    monkeypatch.setattr("torchmetrics.image.fid.NoTrainInceptionV3", Stand)
    found = load_networks(replace(names, features="inception-192"))
    assert found.features(photograph("cat", 128)).shape == (192,)


def test_inception_needs_what_the_extra_does_not_bring(names, monkeypatch) -> None:
    monkeypatch.setattr("torchmetrics.image.fid._TORCH_FIDELITY_AVAILABLE", False)
    with pytest.raises(ModelMissing, match="install both, or name a ViT with --features"):
        load_networks(replace(names, features="inception-2048"))
