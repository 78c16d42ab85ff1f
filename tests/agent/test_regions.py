"""Edits that keep to a box: outside of it every pixel stays, and redo knows it."""

from types import SimpleNamespace

import numpy as np
import pytest
from perfect_chat import begin, desk_of, typed
from tiny_flux import noise_picture, tiny_flux

from agent.options import declared
from agent.settings import AppSettings
from agent.terminal.flags import parser
from editing_core.editor import Editor
from editing_core.methods.registry import METHODS
from editing_core.settings import EditSettings
from tools import provenance
from tools.arguments import InputError
from tools.edit_picture import edit_picture
from tools.pictures import PictureStore
from tools.redo import chain_of, remake
from tools.regions import region, shares

STEP = SimpleNamespace(source_prompt="a woman", target_prompt="a woman with a hat",
                       edit_words=("hat",), request="a hat")  # fmt: skip
BOX = (16, 8, 40, 24)


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path)


@pytest.mark.parametrize("keep", ["nothing", "color", "outside"])
@pytest.mark.parametrize("method", ["steady", "mtc"])
def test_every_pixel_outside_the_box_stays_and_redo_knows_it(store, tmp_path, keep, method):
    head = store.put(noise_picture(64, 48))
    bounds = shares(BOX, (64, 48))
    settings = EditSettings(steps=2, lqr_steps=1, keep=keep, bounds=bounds)
    edited = edit_picture(Editor(tiny_flux()), store, head=head, original=head, step=STEP, seed=3,
                          settings=settings, method=method)  # fmt: skip
    before, after = (np.asarray(store.image(name)) for name in (head, edited.picture))
    left, top, width, height = BOX
    inside = np.zeros((48, 64), bool)
    inside[top : top + height, left : left + width] = True
    changed = (before != after).any(axis=2)
    assert not changed[~inside].any()
    assert keep == "outside" or changed[inside].any()
    recipe = provenance.read(store.path(edited.picture))
    assert recipe["settings"]["bounds"] == list(bounds)
    again = PictureStore(tmp_path / "again")
    again.put(noise_picture(64, 48))
    assert list(remake(chain_of(recipe), again, lambda _: Editor(tiny_flux()))) == [edited.picture]


def test_every_method_that_keeps_something_reads_it():
    assert all("bounds" in spec.reads for spec in METHODS.values() if "keep" in spec.reads)


@pytest.mark.parametrize("bounds", [(0.5, 0, 0.5, 1), (0, 0, 1.2, 1), (-0.1, 0, 1, 1)])
def test_numbers_that_are_no_box_are_refused(bounds):
    with pytest.raises(ValueError, match="box inside the picture"):
        EditSettings(bounds=bounds)


def test_a_region_is_written_in_one_way():
    assert region(" 1, 2, 30, 40 ") == "1,2,30,40" and region("OFF") == "off"
    assert region(" The  man on the LEFT; a bit bigger;without the hat") == (
        "the man on the left; slightly larger; not the hat"
    )
    assert shares((0, 12, 32, 24), (64, 48)) == (0, 0.25, 0.5, 0.75)
    for wrong in ("16:9", "1,2,3", "1,2,0,4", "", "off; larger", "the hat; nicer", "@2", "a/b"):
        with pytest.raises(InputError, match="[Rr]egion is"):
            region(wrong)
    with pytest.raises(InputError, match="does not lie inside the picture, which is 64x48"):
        shares((40, 0, 32, 48), (64, 48))


def test_it_is_an_option_as_all_others(monkeypatch, capsys):
    assert declared()["region"].option.read is not None
    assert AppSettings().region == "off"
    assert AppSettings(region="1,2,30,40").region == "1,2,30,40"
    with pytest.raises(ValueError):
        AppSettings(region="16:9")
    assert parser().parse_args(["--region", "1, 2,30,40"]).region == "1,2,30,40"


def test_a_session_remembers_it_until_off(sessions):
    desk = desk_of(begin(sessions, "s"))
    assert typed(desk, "/region").startswith("region off")
    assert typed(desk, "/region 0,0,64, 64") == "From now on edits keep to 0,0,64,64.\n"
    assert desk.chat.settings.region == "0,0,64,64"
    with pytest.raises(InputError, match="A region is"):
        typed(desk, "/region 16:9")
    typed(desk, "/region 0,0,640,64")
    failure = desk.chat.conversation.messages[-1].failure
    assert "does not lie inside the picture, which is 128x128" in failure
    assert desk.chat.settings.region == "0,0,64,64"
    assert typed(desk, "/region off") == "From now on edits act everywhere.\n"
    assert "Added: hat" in typed(desk, "add a hat")
