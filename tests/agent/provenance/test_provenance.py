"""`palimpsest recipe` and `palimpsest redo`, on a tiny random FLUX."""

import json
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from tiny_flux import noise_picture, tiny_flux

import chat
from editing_core.editor import Editor
from editing_core.models.checkpoints import SHIPPED_FOLDERS
from editing_core.settings import EditSettings
from tools import provenance
from tools.edit_picture import edit_picture
from tools.pictures import PictureStore, open_picture
from tools.redo import RecipeError, chain_of, loader, roots

SETTINGS = EditSettings(steps=2, lqr_steps=1)
CAPTIONS = ["a woman", "a woman with a hat", "a woman with a red hat", "an old woman, a red hat"]


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch):
    monkeypatch.setattr("tools.redo.load_editor", lambda model, device: Editor(tiny_flux()))


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "portrait.png"
    noise_picture(32, 48).save(path)
    return path


@pytest.fixture
def elsewhere(tmp_path):
    """The store of another home, where the picture was made."""
    return PictureStore(tmp_path / "elsewhere")


def edited(store, head, turn, *, original=None):
    step = SimpleNamespace(
        source_prompt=CAPTIONS[turn - 1],
        target_prompt=CAPTIONS[turn],
        edit_words=(CAPTIONS[turn].split()[-1],),
        request="",
    )
    request = {"head": head, "original": original or head, "seed": turn}
    return edit_picture(Editor(tiny_flux()), store, step=step, settings=SETTINGS, **request).picture


def three_edits(store, original):
    """Edit a picture three times; return the hashes of all four."""
    names = [store.put(open_picture(original).image)]
    for turn in (1, 2, 3):
        names.append(edited(store, names[-1], turn, original=names[0]))
    return names


@pytest.fixture
def final(elsewhere, original, tmp_path):
    """The PNG that came out of three edits, by itself."""
    path = tmp_path / "final.png"
    path.write_bytes(elsewhere.path(three_edits(elsewhere, original)[-1]).read_bytes())
    return path


def run(capsys, *words):
    code = chat.main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def redo(capsys, *words):
    return run(capsys, "redo", *words, "--model", "tiny")


class TestRecipe:
    def test_tells_every_edit(self, capsys, final, tmp_path):
        code, said, _ = run(capsys, "recipe", final)
        assert code == 0 and said.count("edit ") == 3
        assert "from   a woman\n" in said and "to     an old woman, a red hat" in said
        assert "mtc, seed 3, preset paper, but steps 2, lqr_steps 1" in said

    def test_json_is_what_the_file_holds(self, capsys, final):
        code, said, _ = run(capsys, "recipe", final, "--json")
        assert code == 0 and json.loads(said) == provenance.read(final)
        assert {"python", "torch", "palimpsest"} <= set(json.loads(said)["versions"])

    @pytest.mark.parametrize("name", ["photo.png", "nothing.png", "text.png"])
    def test_a_file_without_one(self, capsys, photo, tmp_path, name):
        (tmp_path / "text.png").write_text("no picture")
        code, _, said = run(capsys, "recipe", tmp_path / name)
        assert code == 2 and said.startswith("palimpsest: ") and said.count("\n") == 1

    @pytest.mark.parametrize(
        "change",
        [{"method": "magic"}, {"parent": "../../etc/passwd"}, {"settings": {"steps": -1}},
         {"steps": 5}, {"steps": [{}]}, {"seed": "many"}],
    )  # fmt: skip
    def test_a_strangers_recipe_is_not_trusted(self, final, change):
        with pytest.raises(RecipeError):
            chain_of(provenance.read(final) | change)


class TestChain:
    def test_begins_at_the_original_and_holds_every_edit_once(self, elsewhere, original):
        names = three_edits(elsewhere, original)
        chain = chain_of(provenance.read(elsewhere.path(names[-1])))
        assert [made.picture for made in chain] == names[1:]
        assert roots(chain) == (names[0],)

    def test_pixels_that_lost_their_latents_are_a_beginning(self, elsewhere, original):
        names = three_edits(elsewhere, original)
        elsewhere.path(names[2]).with_suffix(".safetensors").unlink()
        again = edited(elsewhere, names[2], 3, original=names[0])
        chain = chain_of(provenance.read(elsewhere.path(again)))
        assert again != names[3]  # the encoded pixels are not the latents
        assert len(chain) == 1 and set(roots(chain)) == {names[0], names[2]}

    def test_a_picture_that_was_opened_before_it_was_made_gets_its_recipe(
        self, elsewhere, original
    ):
        names = three_edits(elsewhere, original)
        other = PictureStore(elsewhere.folder.parent / "other")
        other.put(elsewhere.image(names[1]))
        assert three_edits(other, original) == names
        assert len(chain_of(provenance.read(other.path(names[-1])))) == 3


class TestRedo:
    def test_a_file_and_its_original_are_enough(self, capsys, final, original):
        code, said, _ = redo(capsys, final, "--original", original)
        assert code == 0 and said.startswith("Identical: ") and "3 edits" in said

    def test_the_original_may_be_in_the_store(self, capsys, final, original, tmp_path):
        PictureStore(tmp_path / "home" / "pictures").put(open_picture(original).image)
        assert redo(capsys, final)[0] == 0

    @pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp"])
    def test_other_formats(self, capsys, final, original, tmp_path, suffix):
        from agent.terminal.file_io import export

        store = PictureStore(tmp_path / "elsewhere")
        name = chain_of(provenance.read(final))[-1].picture
        saved = export(store.path(name), tmp_path / f"a.{suffix}", name="x")
        code, said, _ = redo(capsys, saved, "--original", original)
        assert code == 0 and ("was saved from" in said) == (suffix != "bmp")

    def test_what_is_made_is_written_with_its_recipe(self, capsys, final, original, tmp_path):
        out = tmp_path / "again.png"
        out.write_text("replaced")
        assert redo(capsys, final, "--original", original, "--out", out)[0] == 0
        assert provenance.read(out) == provenance.read(final)

    def test_without_the_original(self, capsys, final, photo):
        code, _, said = redo(capsys, final)
        assert code == 3 and "name it with --original FILE" in said
        code, _, said = redo(capsys, final, "--original", photo)
        assert code == 3 and "none of the files given" in said

    def test_a_model_of_somebody_elses_is_not_loaded_unasked(self, capsys, final, original):
        code, _, said = run(capsys, "redo", final, "--original", original)
        assert code == 3 and "if you trust it, say --model tiny" in said

    def test_a_picture_that_comes_out_different(self, capsys, final, original, monkeypatch):
        monkeypatch.setattr("tools.edit_picture.platform.python_version", lambda: "3.99")
        flux = tiny_flux()
        weight = flux.transformer.proj_out.weight
        before = weight.detach().clone()
        with torch.no_grad():
            weight.mul_(0.5)
        try:
            code, said, _ = redo(capsys, final, "--original", original)
        finally:
            with torch.no_grad():
                weight.copy_(before)
        assert code == 1 and "PSNR" in said and "largest difference" in said
        assert "went another way at edit 1 of 3" in said and "3.99 now" in said

    def test_a_file_that_was_changed_afterwards(self, capsys, final, original):
        recipe, image = provenance.read(final), open_picture(final).image
        image.putpixel((0, 0), (1, 2, 3))
        image.save(final, pnginfo=provenance.text_chunk(recipe))
        code, said, _ = redo(capsys, final, "--original", original)
        assert code == 1 and "the file was changed afterwards" in said

    def test_sums_are_shared_among_as_many_threads_as_then(self, elsewhere, original, monkeypatch):
        from tools.redo import remake

        names, used = three_edits(elsewhere, original), []
        chain = chain_of(provenance.read(elsewhere.path(names[-1])))
        before = torch.get_num_threads()
        chain = [made.model_copy(update={"threads": before + 1}) for made in chain]

        def load(_made):
            used.append(torch.get_num_threads())
            return Editor(tiny_flux())

        assert len(list(remake(tuple(chain), elsewhere, load))) == 3
        assert used == [before + 1] * 3 and torch.get_num_threads() == before


@pytest.mark.weights
@pytest.mark.slow
def test_a_conversation_of_the_shipped_model_is_made_again(capsys, tmp_path, monkeypatch):
    from tools.edit_picture import load_editor
    from tools.inspection import sample_portrait

    monkeypatch.setattr("tools.redo.load_editor", load_editor)
    sample_portrait()[0].save(tmp_path / "portrait.jpg", quality=90)
    wishes = ["--say", "make her older, now add a hat", "--say", "/save final"]
    words = ["--offline", "--caption", sample_portrait()[1], *wishes]
    monkeypatch.chdir(tmp_path)
    assert chat.main([*words, "portrait.jpg"]) == 0
    with Image.open("final.jpg") as saved:
        assert saved.format == "JPEG"
    capsys.readouterr()
    words = ["redo", "final.jpg", "--original", "portrait.jpg", "--home", tmp_path / "other"]
    code, said, _ = run(capsys, *words)
    assert code == 0 and "2 edits" in said


@pytest.mark.weights
def test_a_picture_that_the_first_edition_made_is_made_by_it_again(monkeypatch):
    """Both editions were called "portraits" when they made pictures; their weights tell them.

    For some days the second was called "portraits-256".
    """
    from tools.edit_picture import load_editor

    monkeypatch.setattr("tools.redo.load_editor", load_editor)
    for name in SHIPPED_FOLDERS:
        weights = load_editor(name).model.weights_hash
        for weights_then, expected in ((weights, weights), ("lost", None)):
            for called in ("portraits", "portraits-256"):
                made = SimpleNamespace(model=called, device="cpu", weights=weights_then)
                found = loader("portraits", None)(made).model.weights_hash
                assert found == (expected or load_editor("portraits").model.weights_hash)
