"""The second edition of the portraits: drawn exactly at any shape, judged and trained."""

import random
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_flux import TINY as TINY_SQUARE
from tiny_networks import photograph

from editing_core.models.canvas import pack
from editing_core.portraits.model import build
from editing_core.portraits.schema import VALUES, Attributes, Identity, Portrait, draws
from editing_core.portraits.train_classifier import cross_entropy
from editing_core.portraits.trainer import TrainingConfig
from editing_core.worlds.portraits import degraded, store, train
from editing_core.worlds.portraits.classifier import (
    FILE,
    SIDE,
    Classifier,
    load_classifier,
)
from editing_core.worlds.portraits.drawing import Place, change_mask, draw, face_mask, random_place
from editing_core.worlds.portraits.judges import agrees, distances, face_error, sharpness
from editing_core.worlds.portraits.likeness import placed
from editing_core.worlds.portraits.precision import fastest_dtype
from editing_core.worlds.portraits.store import SHARES, Chunk, chunks, extend

WOMAN = Portrait(Attributes(), Identity())
MAN = Portrait(
    Attributes(gender="man", hair="short", hair_color="black", headwear="hat", eyewear="glasses"),
    Identity(tilt=3, mirrored=True),
)
SMALL = Place(scale=0.5, x=0.8, y=0.5)
TINY = replace(TINY_SQUARE, double_blocks=1, vae_channels=(8,) * 5, latent_channels=8)


@pytest.mark.parametrize("size", [(256, 256), (128, 256), (320, 192)])
def test_a_portrait_has_the_size_asked_for(size: tuple[int, int]) -> None:
    assert draw(WOMAN, size).size == size


@pytest.mark.parametrize("portrait", [WOMAN, MAN])
@pytest.mark.parametrize("name", list(VALUES))
def test_every_value_of_an_attribute_looks_different(portrait: Portrait, name: str) -> None:
    worn = {
        "headwear_color": {"headwear": "cap"},
        "eyewear_color": {"eyewear": "sunglasses"},
        "neckwear_color": {"neckwear": "scarf"},
    }
    bare = {"headwear": "none"} if name == "hair" else {}
    shown = portrait.with_(**(worn.get(name) or bare))
    pictures = {value: draw(shown.with_(**{name: value})).tobytes() for value in VALUES[name]}
    assert len(set(pictures.values())) == len(pictures)


def test_glasses_change_only_what_is_around_the_eyes() -> None:
    mask = change_mask(WOMAN, WOMAN.with_(eyewear="glasses"))
    rows = np.flatnonzero(mask.any(axis=1))
    assert 60 < rows.min() < rows.max() < 160


def test_an_old_face_has_no_black_strokes() -> None:
    young = WOMAN.with_(hair_color="gray")
    a, b = (np.asarray(draw(p), dtype=np.int16) for p in (young, young.with_(age="old")))
    cheeks = face_mask(WOMAN) & (np.abs(a - b).max(axis=2) > 8)
    assert cheeks.sum() > 100
    assert b[cheeks].min(axis=0).min() > 50


def test_a_hat_hides_hair_above_its_brim_and_keeps_it_below() -> None:
    afro = WOMAN.with_(hair="afro", hair_color="green", background="white")
    under = np.asarray(draw(afro.with_(headwear="beanie"))).astype(int)
    green = (under[..., 1] > under[..., 0] + 30) & (under[..., 1] > under[..., 2] + 20)
    assert not green[:60].any()
    assert green[100:170].sum() > 1000


def test_a_small_portrait_is_where_its_place_says() -> None:
    mask = face_mask(WOMAN, (384, 192), SMALL)
    rows, columns = np.nonzero(mask)
    assert columns.mean() > 230
    assert mask.sum() < 0.35 * face_mask(WOMAN, (384, 192)).sum()


@pytest.mark.parametrize("size", [(256, 256), (192, 320), (384, 256)])
def test_a_portrait_looks_like_its_drawing_wherever_it_stands(size: tuple[int, int]) -> None:
    rng = random.Random(3)
    for portrait in islice(draws("eval", 24), 8):
        picture = draw(portrait, size, random_place(rng, *size))
        assert placed(picture, portrait.attributes.visible())


def test_a_photograph_of_a_person_looks_like_no_drawing_of_one() -> None:
    for portrait in islice(draws("eval", 24), 8):
        assert not placed(photograph("astronaut", 256), portrait.attributes.visible())


def test_the_nearest_drawing_is_found_through_noise() -> None:
    rng = np.random.default_rng(0)
    truth = WOMAN.with_(expression="sad")
    noisy = np.asarray(draw(truth)) + rng.normal(0, 40, (256, 256, 3))
    picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    assert agrees(picture, truth, "expression")
    assert not agrees(picture, truth.with_(expression="angry"), "expression")


def test_values_that_look_alike_agree() -> None:
    old = WOMAN.with_(age="old")  # whose hair is gray, whatever is asked for
    assert agrees(draw(old), old, "hair_color")


def test_what_all_drawings_share_does_not_count() -> None:
    drawings = {"red": Image.new("RGB", (8, 8), "red"), "blue": Image.new("RGB", (8, 8), "blue")}
    for drawing in drawings.values():
        drawing.paste("green", (0, 0, 8, 6))
    seen = Image.new("RGB", (8, 8), "black")
    seen.paste("blue", (0, 6, 8, 8))
    assert distances(seen, drawings) == {"red": 510 * 16, "blue": 0}


def test_sharpness_and_face_error_have_known_answers() -> None:
    truth, everywhere = draw(WOMAN), np.ones((256, 256), bool)
    assert sharpness(truth, truth, everywhere) == 1
    half = Image.blend(truth, Image.new("RGB", truth.size, "gray"), 0.5)
    assert sharpness(half, truth, everywhere) == pytest.approx(0.25, abs=0.02)
    lighter = Image.fromarray(np.asarray(truth) // 2)
    expected = np.asarray(truth)[face_mask(WOMAN)] - np.asarray(lighter)[face_mask(WOMAN)]
    assert face_error(truth, WOMAN) == 0
    assert face_error(lighter, WOMAN) == pytest.approx(expected.mean())


def test_a_store_grows_and_knows_who_is_on_its_pictures(tmp_path: Path) -> None:
    extend(tmp_path, 4, workers=1, size=2)
    first = chunks(tmp_path)
    assert len(first) == 2
    portrait, place = first[0].portraits(2)[1]
    assert (first[0].pictures[1] == np.asarray(draw(portrait, first[0].shape, place))).all()
    assert first[0].attributes[1] == portrait.attributes.visible()


def test_a_store_is_used_while_it_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOOKED_EVERY", 0.0)
    with store.drawing_in_background(tmp_path, 1_000, size=1):
        found = store.Store(tmp_path)
        before = len(found)
        assert before >= 1 and found[0].pictures.dtype == np.uint8
        Chunk(tmp_path, (128, 128), 9000).file.write_bytes(found[0].file.read_bytes())
        assert len(found) > before
    left = len(chunks(tmp_path))
    time.sleep(0.5)
    assert len(chunks(tmp_path)) == left, "nobody draws any more"


def test_a_store_that_has_enough_is_not_drawn(tmp_path: Path) -> None:
    extend(tmp_path, 2, workers=1, size=2)
    with store.drawing_in_background(tmp_path, 2):
        assert len(store.Store(tmp_path)) == 1


def test_canvases_are_of_whole_tokens_and_of_all_shapes() -> None:
    assert all(side % 32 == 0 and 128 <= side <= 384 for shape in SHARES for side in shape)
    assert {0.5, 1.0, 2.0} <= {width / height for width, height in SHARES}


def test_latents_are_packed_as_the_stock_pipeline_packs_them() -> None:
    from diffusers import FluxPipeline

    x = torch.randn(2, 3, 4, 6)
    assert torch.equal(pack(x), FluxPipeline._pack_latents(x, 2, 3, 4, 6))


def test_the_choice_of_numbers_is_one_of_two() -> None:
    assert fastest_dtype(torch.device("cpu")) in (torch.float32, torch.bfloat16)


def test_all_stages_run_and_another_run_begins_from_their_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(degraded, "SEEN", 0.0)  # nothing that an untaught VAE draws differs much
    few = TrainingConfig(samples=4, batch_size=2, warmup_steps=1)
    monkeypatch.setattr(
        train.StageConfigs, "within", lambda *_: train.StageConfigs(4, 2, 2, 2, *5 * [few])
    )
    monkeypatch.setattr(train, "build", lambda _: build(TINY))
    store = tmp_path / "pictures"
    store.mkdir()
    for shape in ((128, 128), (128, 256)):
        pictures = np.stack([np.asarray(draw(p, shape)) for p in (WOMAN, MAN)])
        np.save(Chunk(store, shape, 0).file, pictures)
    asked = ["train", "--device", "cpu", "--folder", str(tmp_path), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", asked)
    train.main()
    stages = {file.name for file in tmp_path.glob("*.pt")}
    assert stages == {f"{name}.pt" for name in train.STAGES}
    assert load_classifier(tmp_path / "out" / FILE.name).classify(draw(WOMAN)).attributes
    assert len(np.load(tmp_path / "edits.npz")["right"]) == 2, "edits by what was just taught"
    again = tmp_path / "again"
    begun = ["--begin", str(tmp_path / "out"), "--pictures", str(store)]
    monkeypatch.setattr(
        sys, "argv", [*asked[:3], "--folder", str(again), *begun, "--out", str(again)]
    )
    train.main()
    assert not (again / "vae.pt").exists()
    before, after = (train.load(folder) for folder in (tmp_path / "out", again))
    for name, same in (("encoder", True), ("decoder", False)):
        a, b = (getattr(parts.vae, name).state_dict() for parts in (before, after))
        assert all(torch.equal(a[key], b[key]) for key in a) == same


def test_a_run_that_stops_before_the_transformer_leaves_a_vae_to_begin_from(
    tmp_path: Path,
) -> None:
    student, folder, out = (
        train.TrainedParts(build(TINY), Classifier()),
        tmp_path / "f",
        tmp_path / "o",
    )
    folder.mkdir()
    (folder / "vae.pt").touch()
    train.write(student, out, folder, Path())
    assert [entry.name for entry in out.iterdir()] == ["vae"]
    begun = train.load(out)
    train.write(train.TrainedParts(begun, Classifier()), out, folder, Path())
    assert str(out) not in (out / "vae" / "config.json").read_text(), "no folder of the trainer's"
    assert begun.vae.config.latent_channels == TINY.latent_channels
    assert not train.complete(out)


@pytest.mark.parametrize("size", [(160, 160), (256, 128), (90, 300)])
def test_the_classifier_sees_all_of_a_picture_of_any_shape(size: tuple[int, int]) -> None:
    width, height = size
    seen = Classifier.preprocess(torch.full((1, height, width, 3), 255, dtype=torch.uint8))[0]
    assert seen.shape == (3, SIDE, SIDE)
    shown = (seen > 0.9).float().mean() * max(size) / min(size)
    assert shown == pytest.approx(1, abs=0.02)
    off = (seen.flip(2) - seen).abs().mean() * SIDE / 2
    assert off <= 1.01, "in the middle, as far as whole pixels go"


def test_latents_are_spoilt_in_one_region_of_each() -> None:
    code = torch.randn(6, 4, 12, 8)
    dirty, region = degraded.degrade(code, torch.Generator().manual_seed(0))
    inside = region.bool().expand_as(code)
    assert torch.equal(dirty[~inside], code[~inside])
    assert (dirty[inside] != code[inside]).float().mean() > 0.99
    assert 0 < region.mean() < 0.4


def test_what_is_not_asked_is_not_learnt() -> None:
    logits = {"clean": torch.tensor([[0.0, 0.0], [0.0, 50.0]]), "portrait": torch.zeros(2, 2)}
    loss = cross_entropy(logits, [{}, {"clean": 1}])
    assert loss == pytest.approx(0, abs=1e-6)


def test_minutes_are_shared_among_the_stages_that_run() -> None:
    configs = train.StageConfigs()
    assert configs.on(torch.device("cpu")) == configs
    assert configs.on(torch.device("cuda")).vae.batch_size > configs.vae.batch_size
    shared = configs.within(70, ["flow", "classifier"])
    assert shared.flow.minutes + shared.classifier.minutes == pytest.approx(70)
    assert shared.flow.minutes / shared.classifier.minutes == pytest.approx(50 / 12)
