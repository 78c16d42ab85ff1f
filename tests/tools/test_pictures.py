import io
import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from agent.terminal import previews
from agent.terminal.file_io import Folder, export
from tools import provenance
from tools.inspection import differences, sample_portrait
from tools.pictures import PictureError, PictureStore, open_picture, picture_hash
from tools.recent_pictures import RecentPictures


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path / "pictures")


@pytest.fixture
def image():
    return Image.linear_gradient("L").resize((40, 24)).convert("RGB")


class TestStore:
    def test_gives_back_the_same_pixels(self, store, image):
        assert store.image(store.put(image)).tobytes() == image.tobytes()

    def test_a_picture_is_named_by_its_pixels(self, store, image):
        other = image.copy()
        other.putpixel((0, 0), (1, 2, 3))
        assert store.put(image) == store.put(image.copy()) == picture_hash(image)
        assert store.put(other) != picture_hash(image)

    def test_equal_bytes_of_another_shape_are_another_picture(self):
        assert picture_hash(Image.new("RGB", (2, 8))) != picture_hash(Image.new("RGB", (8, 2)))

    def test_keeps_latents_as_floats(self, store, image):
        latents = torch.randn(1, 6, 64)
        assert torch.equal(store.get(store.put(image, latents)).latents, latents)
        assert store.get(store.put(Image.new("RGB", (16, 16)))).latents is None

    def test_the_recipe_travels_inside_the_picture(self, store, image):
        recipe = {"seed": 7, "target_prompt": "eine Frau mit Brille – été"}
        assert provenance.read(store.path(store.put(image, recipe=recipe))) == recipe

    def test_a_stored_picture_is_never_written_again(self, store, image):
        path = store.path(store.put(image, recipe={"seed": 1}))
        before = path.stat().st_ino
        store.put(image, recipe={"seed": 2})
        assert path.stat().st_ino == before

    def test_nothing_half_written_is_left(self, store, image, monkeypatch):
        monkeypatch.setattr(Image.Image, "save", _fails)
        with pytest.raises(PictureError, match="No space"):
            store.put(image)
        assert [p for p in store.folder.rglob("*") if p.is_file()] == []

    def test_a_large_picture_is_decoded_once(self, store, monkeypatch):
        image = Image.effect_noise((1200, 900), 90).convert("RGB")
        name = store.put(image, recipe={"seed": 7})
        path = store.path(name)
        with Image.open(path) as file:
            assert file.tobytes() == image.tobytes()
        assert provenance.read(path) == {"seed": 7}
        held = path.read_bytes()
        path.write_bytes(bytes(len(held)))
        seen = store.image(name)
        seen.putpixel((0, 0), (1, 2, 3))
        assert store.image(name).tobytes() == image.tobytes(), "each gets a copy of their own"
        os.replace(path, path.with_suffix(".aside"))
        path.write_bytes(held[:-999])
        with pytest.raises(PictureError, match="missing"):
            store.image(name)

    def test_those_seen_longest_ago_are_forgotten_first(self, tmp_path):
        recent, image = RecentPictures(most=200), Image.new("RGB", (10, 10))
        files = [tmp_path / name for name in "abc"]
        for file in files:
            file.write_bytes(b"x")
            recent.keep(file, image)
            recent.get(files[0])
        assert [recent.get(file) is not None for file in files] == [True, False, True]

    def test_a_missing_picture_is_said(self, store):
        with pytest.raises(PictureError, match="missing"):
            store.image("ab" * 32)

    def test_clearing_away_never_takes_what_is_stored_meanwhile(self, store, image):
        latents = torch.randn(1, 6, 64)
        path = store.path(store.put(image, latents))
        files = [path, path.with_suffix(".safetensors")]
        for _ in range(100):
            store.put(image, latents)
            for file in files:
                os.utime(file, (0, 0))
            clearing = threading.Thread(
                target=lambda: [store.drop(file, older_than=60) for file in files]
            )
            clearing.start()
            name = store.put(image, latents)
            clearing.join()
            assert store.get(name).latents is not None
        assert sorted(path.parent.iterdir()) == sorted(files)

    def test_a_file_that_goes_while_it_is_touched_is_written_anew(self, store, image, monkeypatch):
        path = store.path(store.put(image))
        touch = os.utime
        monkeypatch.setattr(os, "utime", lambda file: (touch(file), os.unlink(file)))
        store.put(image)
        assert path.exists()

    def test_only_old_files_that_nobody_needs_are_loose(self, store, image):
        old, young, kept = (store.put(image.rotate(turn)) for turn in (0, 90, 180))
        for name in (old, kept):
            os.utime(store.path(name), (0, 0))
        assert store.loose({kept}, older_than=60) == [store.path(old)]


def _fails(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


class TestOpen:
    def test_transparency_is_shown_on_white(self, tmp_path):
        Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "a.png")
        opened = open_picture(tmp_path / "a.png")
        assert opened.image.getpixel((3, 3)) == (255, 255, 255)
        assert "white" in opened.notes[0]

    def test_an_opaque_alpha_channel_is_not_worth_a_word(self, tmp_path):
        Image.new("RGBA", (20, 20), (255, 0, 0, 255)).save(tmp_path / "a.png")
        assert open_picture(tmp_path / "a.png").notes == ()

    def test_sixteen_bits_are_scaled_not_clipped(self, tmp_path):
        ramp = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
        Image.fromarray(ramp).save(tmp_path / "deep.png")
        opened = open_picture(tmp_path / "deep.png")
        assert opened.image.getpixel((10, 10)) == (134, 134, 134)
        assert "8 bits" in opened.notes[0]

    def test_ink_without_a_profile_is_told_of(self, tmp_path):
        Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
        opened = open_picture(tmp_path / "ink.jpg")
        assert opened.image.mode == "RGB" and "CMYK" in opened.notes[0]

    def test_the_first_frame_of_an_animation(self, tmp_path):
        frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue", "green")]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        opened = open_picture(tmp_path / "a.gif")
        assert opened.image.getpixel((5, 5)) == (255, 0, 0)
        assert opened.notes == ("the first of 3 frames is used",)

    def test_is_turned_upright(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
        opened = open_picture(tmp_path / "a.jpg")
        assert opened.image.size == (20, 40)
        assert "upright" in opened.notes[0]

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "F", "I"])
    def test_every_mode_becomes_rgb(self, tmp_path, mode):
        path = tmp_path / "a.tiff"
        Image.new("L", (20, 20), 99).convert(mode).save(path)
        assert open_picture(path).image.mode == "RGB"


class TestExport:
    def test_png_keeps_the_recipe_and_jpg_converts(self, store, image, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # folders are made below where one stands
        stored = store.path(store.put(image, recipe={"seed": 7}))
        assert provenance.read(export(stored, tmp_path / "a", name="01-x.png")) == {"seed": 7}
        with Image.open(export(stored, tmp_path / "new" / "a.jpg", name="01-x.png")) as converted:
            assert converted.format == "JPEG"

    def test_never_overwrites(self, store, image, tmp_path, photo):
        stored = store.path(store.put(image))
        with pytest.raises(PictureError, match="exists already"):
            export(stored, photo, name="01-x.png")

    def test_unknown_suffix(self, store, image, tmp_path):
        with pytest.raises(PictureError, match="no picture format"):
            export(store.path(store.put(image)), tmp_path / "a.docx", name="01-x.png")

    def test_numbered_names(self, store, image, tmp_path):
        stored = store.path(store.put(image))
        kept = Folder(tmp_path / "out").keep(stored, 1, "Make her older, please!")
        assert kept.name == "01-make-her-older-please.png"


class TestPreview:
    def test_off_where_nobody_sees_colours(self):
        terminal = _Stream(tty=True)
        assert previews.choose("auto", _Stream(tty=False), {"TERM": "xterm-kitty"}) == "off"
        assert previews.choose("auto", terminal, {"TERM": "xterm", "NO_COLOR": "1"}) == "off"
        assert previews.choose("auto", terminal, {"TERM": "dumb"}) == "off"

    def test_the_best_a_terminal_can(self):
        assert previews.choose("auto", _Stream(tty=True), {"TERM": "xterm-256color"}) == "blocks"
        assert previews.choose("sixel", _Stream(tty=False), {}) == "sixel"

    def test_half_blocks_show_two_pixels_a_character(self):
        lines = _printed([("red", Image.new("RGB", (8, 8), (255, 0, 0)))], "blocks", width=10)
        assert lines[0].startswith("\x1b[38;2;255;0;0;48;2;255;0;0m▀")
        assert len(lines) == 5 and "red" in lines[-1]

    def test_pictures_stand_side_by_side_with_their_names(self):
        red, blue = (Image.new("RGB", (8, 8), color) for color in ("#ff0000", "#0000ff"))
        lines = _printed([("@0 original", red), ("@1 blue", blue)], "blocks", width=60)
        assert "255;0;0" in lines[0] and "0;0;255" in lines[0]
        assert "@0 original" in lines[-1] and "@1 blue" in lines[-1]

    @pytest.mark.parametrize("kind, sign", [("kitty", "\U0010eeee"), ("sixel", "\x1bP")])
    def test_other_terminals(self, kind, sign):
        red = Image.new("RGB", (8, 8), "red")
        assert any(sign in line for line in _printed([("a", red), ("b", red)], kind, width=40))


def _printed(pictures, kind, *, width):
    paper = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        no_color=False,
        color_system="truecolor",
    )
    paper.print(previews.drawn(pictures, kind, width))
    return paper.file.getvalue().splitlines()


class _Stream:
    encoding = "utf-8"

    def __init__(self, *, tty):
        self.isatty = lambda: tty


class TestDifferences:
    def test_nothing_changed(self):
        image, _ = sample_portrait()
        found = differences(image, image)
        assert found.outside_ssim == pytest.approx(1) and found.changed == found.shift == 0

    def test_a_moved_picture_is_noticed(self):
        image, _ = sample_portrait()
        moved = image.transform(image.size, Image.Transform.AFFINE, (1, 0, 3, 0, 1, 0))
        assert differences(image, moved).shift == 3

    def test_what_changes_inside_the_mask_is_no_shift(self):
        image, _ = sample_portrait()
        mask = Image.new("L", image.size)
        mask.paste(255, (20, 20, 100, 80))
        inside = image.copy()
        inside.paste(image.crop((24, 20, 104, 80)), (20, 20))
        assert differences(image, inside, mask).shift == 0
        moved = image.transform(image.size, Image.Transform.AFFINE, (1, 0, 3, 0, 1, 0))
        assert differences(image, moved, mask).shift == 3

    def test_a_tint_outside_the_mask_is_drift(self):
        image, _ = sample_portrait()
        tinted = Image.fromarray(np.asarray(image) // 2 + 64)
        mask = Image.new("L", image.size, 0)
        found = differences(image, tinted, mask)
        assert found.drift > 10 and found.outside_ssim < 0.99

    def test_a_change_inside_the_mask_is_meant(self):
        image, _ = sample_portrait()
        changed = image.copy()
        changed.paste((255, 0, 0), (40, 40, 80, 80))
        mask = Image.new("L", image.size, 0)
        mask.paste(255, (40, 40, 80, 80))
        assert differences(image, changed, mask).outside_ssim > 0.99
