"""A session as a page, a sheet and a film."""

import re
from html.parser import HTMLParser

import pytest
from perfect_chat import typed
from PIL import Image

from agent.exports.output_path import place
from agent.terminal.contact_sheet import cells, grid, lettered, side_by_side, wrapped
from tools.pictures import PictureError

VOID = {"meta", "input", "img", "link", "br"}


class Outline(HTMLParser):
    """Checks that tags close in order, and gathers what a page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.sources = [], [], [], []

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.ids += [held["id"]] if "id" in held else []
        self.links += [held["href"]] if "href" in held else []
        self.sources += [held["src"]] if "src" in held else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def told(desk, tmp_path, monkeypatch):
    """A session with two branches and a second original."""
    monkeypatch.chdir(tmp_path)
    for line in ("make her older", "add a hat", "/goto 1", "give her sunglasses", "/base 2",
                 "give her <b>glasses</b> & earrings", "/goto 3"):  # fmt: skip
        typed(desk, line)
    return desk


def test_a_page_needs_nothing_else_and_shows_every_turn(told, tmp_path):
    assert "session.html" in typed(told, "/export html")
    text = (tmp_path / "session.html").read_text("utf-8")
    page = Outline()
    page.feed(text)
    assert page.open == [] and not re.search(r"https?:|url\(|<script|@import", text)
    turns = told.chat.conversation.turns
    assert [f"t{turn.id}" in page.ids for turn in turns] == [True] * len(turns)
    assert len(page.ids) == len(set(page.ids))
    assert page.links == [f"#t{i}" for i in (0, 1, 2, 3, 4, *range(5, len(turns)))]
    assert all(source.startswith("data:image/") for source in page.sources)
    assert len(page.sources) == 2 * len(turns), "in its card, and in the tree"
    assert "$" not in text and "viewport" in text and "prefers-color-scheme: dark" in text


def test_a_page_begins_with_the_path_to_the_head(told, tmp_path):
    typed(told, "/export html")
    text = (tmp_path / "session.html").read_text("utf-8")
    cards = [int(i) for i in re.findall(r'<article id="t(\d+)"', text)]
    assert cards[:4] == [0, 1, 3, 2]
    assert re.findall(r'<article id="t(\d+)" class="head"', text) == ["3"]
    assert "<h2>From @0 to @3</h2>" in text and "Another way from @1" in text
    assert "From another original" in text


def test_what_was_said_is_text_and_no_markup(told, tmp_path):
    typed(told, "/export html")
    text = (tmp_path / "session.html").read_text("utf-8")
    assert "<b>" not in text and "&lt;b&gt;glasses&lt;/b&gt; &amp; earrings" in text


def test_a_large_picture_is_scaled_down_in_a_page(desk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    desk.chat.open(desk.store.put(Image.effect_noise((1600, 1200), 90).convert("RGB")), "noise")
    typed(desk, "/export html")
    assert (tmp_path / "session.html").stat().st_size < 2_000_000


def test_a_sheet_shows_the_path_to_the_head(told, tmp_path):
    typed(told, "/export png sheets.png")
    with Image.open(tmp_path / "sheets.png") as sheet:
        assert sheet.width == 3 * (256 + 32) and sheet.height > 256


def test_a_film_has_a_frame_for_each_turn_of_the_path(told, tmp_path):
    typed(told, "/export gif")
    typed(told, "/export gif film.webp")
    for name in ("session.gif", "film.webp"):
        with Image.open(tmp_path / name) as film:
            assert film.n_frames == 3
    with Image.open(tmp_path / "session.gif") as film:
        lengths = []
        for frame in range(film.n_frames):
            film.seek(frame)
            lengths.append(film.info["duration"])
    assert lengths == [1000, 1000, 2500]


def test_an_export_overwrites_nothing_and_goes_where_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place("", ("html",)) == tmp_path / "session.html"
    assert place("story", ("html",)) == tmp_path / "story.html"
    assert place('"my story.html"', ("html",)) == tmp_path / "my story.html"
    assert place("new/deep/one", ("gif", "webp")) == tmp_path / "new" / "deep" / "one.gif"
    assert place("new", ("png",)) == tmp_path / "new" / "session.png"
    (tmp_path / "session.html").touch()
    with pytest.raises(PictureError, match="exists already"):
        place("", ("html",))
    with pytest.raises(PictureError, match="should end in .gif or .webp"):
        place("film.mp4", ("gif", "webp"))
    with pytest.raises(PictureError, match="folder .* does not exist"):
        place("/nowhere/at/all.png", ("png",))
    with pytest.raises(PictureError, match="cannot be written"):
        place("session.html/in.png", ("png",))


def test_cells_are_of_one_size_and_labels_stay_inside():
    shown = [
        ("@0 the original", Image.new("RGB", (128, 64), "red")),
        ("@1 " + "make the background a beach at night " * 9, Image.new("RGB", (100, 300), "blue")),
        ("@2 " + "x" * 200, Image.new("L", (16, 16))),
    ]
    made = cells(shown)
    assert len({cell.size for cell in made}) == 1
    for cell in made:
        edge = cell.crop((cell.width - 12, 0, cell.width, cell.height))
        assert edge.getextrema() == ((255, 255),) * 3, "nothing is written over the edge"
    assert grid(made, columns=2).size == (2 * made[0].width, 2 * made[0].height)
    assert side_by_side(shown[:2]).width == 2 * made[0].width


def test_labels_break_at_words_and_end_somewhere():
    _, font = lettered("a", 15)
    assert wrapped("", font, 100) == [""]
    lines = wrapped("make her hair red and her hat blue " * 5, font, 100)
    assert len(lines) == 4 and lines[-1].endswith("…")
    assert all(font.getlength(line) <= 100 for line in lines)


def test_letters_that_no_font_here_has_are_written_plainly(monkeypatch):
    monkeypatch.setattr("agent.terminal.contact_sheet.SYSTEM_FONTS", ())
    from agent.terminal import contact_sheet

    contact_sheet._system_font.cache_clear()
    assert lettered("für “sie” 帽", 15)[0] == "fur “sie” ?"
    contact_sheet._system_font.cache_clear()
