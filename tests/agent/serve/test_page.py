"""The web page in a real browser, over a real server whose editor draws exactly."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import CHROMIUM
from PIL import Image
from serving import ANN, running

from agent.serve.users import Users
from tools.inspection import sample_portrait

pytestmark = pytest.mark.browser
HERE = ".turn[aria-current=true]"
PATIENCE = 120_000  # milliseconds; what is waited for comes at once, but on a busy machine


@pytest.fixture
def address(users: Users) -> Iterator[str]:
    """A server on a free port, and Ann's way in."""
    with running(users) as port:
        yield f"http://127.0.0.1:{port}/?token={ANN}"


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """The page, in which nothing may go wrong and no other host may be asked."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_context().new_page()
        shown.set_default_timeout(PATIENCE)
        wrong: list[str] = []
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        shown.on("request", lambda asked: wrong.extend(elsewhere(asked.url)))
        shown.goto(address)
        yield shown
        browser.close()
    assert not wrong


def elsewhere(url: str) -> list[str]:
    """The address, if it is on another host."""
    return [] if url.startswith(("http://127.0.0.1:", "blob:", "data:")) else [url]


def say(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def at(page: Any, turn: str, *, turns: int) -> None:
    """Wait until the page is at rest at a turn, and shows so many."""
    from playwright.sync_api import expect

    expect(page.locator(".turn")).to_have_count(turns, timeout=PATIENCE)
    expect(page.locator(HERE)).to_have_attribute("title", turn, timeout=PATIENCE)
    expect(page.locator("#work")).to_be_hidden(timeout=PATIENCE)


def test_without_a_picture_the_page_says_what_to_do(page: Any) -> None:
    say(page, "make her older")
    page.wait_for_selector("text=Open a picture first")
    assert page.input_value("#text") == "make her older"
    assert not page.is_visible("#after") and not page.is_visible("#cut")


def test_upload_wishes_undo_branch_download(page: Any, tmp_path: Path) -> None:
    sample_portrait()[0].resize((300, 300)).save(tmp_path / "me.png")
    page.set_input_files("#files", tmp_path / "me.png")
    at(page, "@0 original", turns=1)
    say(page, "give her a red hat")
    at(page, "@1 give her a red hat", turns=2)
    say(page, "make her sad")
    at(page, "@2 make her sad", turns=3)
    page.click("text=Undo")
    at(page, "@1 give her a red hat", turns=3)
    say(page, "give her sunglasses")
    at(page, "@3 give her sunglasses", turns=4)
    assert page.is_visible("#before") and page.is_visible("#cut")
    with page.expect_download() as found:
        page.click("#download")
    assert re.fullmatch(r"03-give-her-sunglasses\.\w+", found.value.suggested_filename)
    Image.open(found.value.path()).load()
    page.click(".turn >> nth=0")
    at(page, "@0 original", turns=4)


def test_a_reload_in_mid_edit_and_a_second_tab(page: Any, gate: threading.Event) -> None:
    page.click("#sample")
    at(page, "@0 original", turns=1)
    gate.clear()
    say(page, "give her a red hat")
    page.wait_for_selector("#bar[value]")  # the server has it, and works
    tab = page.context.new_page()
    tab.goto(page.url)
    page.reload()
    for shown in (page, tab):
        shown.wait_for_selector("#work:not([hidden])")
    gate.set()
    for shown in (page, tab):
        at(shown, "@1 give her a red hat", turns=2)


def test_a_box_is_drawn_and_edits_keep_to_it(page: Any, users: Users) -> None:
    from playwright.sync_api import expect

    page.click("#sample")
    at(page, "@0 original", turns=1)
    page.click("#region")
    place = page.locator("#after").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40)
    page.mouse.up()
    expect(page.locator("#box")).to_be_visible(timeout=PATIENCE)
    drawn = page.locator("#box").bounding_box()
    assert drawn["x"] == pytest.approx(x, abs=6) and drawn["width"] == pytest.approx(60, abs=8)
    page.wait_for_selector("text=From now on edits keep to")
    user = users.user("ann")
    left, top, *_ = map(int, user.chat(user.sessions.ids()[0]).settings.region.split(","))
    middle = sample_portrait()[0].width / 2
    assert (left, top) == pytest.approx((middle, middle), abs=2)
    page.click("#region")
    expect(page.locator("#box")).to_be_hidden(timeout=PATIENCE)


def test_a_mask_is_painted_and_edits_keep_to_it(page: Any, users: Users) -> None:
    from playwright.sync_api import expect

    page.click("#sample")
    at(page, "@0 original", turns=1)
    page.click("#brush")
    place = page.locator("#after").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y)
    page.mouse.up()
    page.click("text=Done")
    page.wait_for_selector("text=From now on edits keep to the mask.")
    user = users.user("ann")
    region = user.chat(user.sessions.ids()[0]).settings.region
    mask = user.sessions.store.image(region.removeprefix("#")).convert("L")
    width, height = sample_portrait()[0].size
    assert mask.size == (width, height)
    assert mask.getpixel((width // 2 + 1, height // 2)) == 255
    assert mask.getpixel((width // 2, 5)) == 0 and mask.getpixel((width // 4, height // 2)) == 0
    page.wait_for_function("() => document.getElementById('painted').naturalWidth > 0")
    page.click("text=Region: painted")
    expect(page.locator("#painted")).to_be_hidden(timeout=PATIENCE)


def test_the_brush_has_a_width_and_an_eraser(page: Any, users: Users) -> None:
    from playwright.sync_api import expect

    page.click("#sample")
    at(page, "@0 original", turns=1)
    assert not page.is_visible("#eraser")
    page.click("#brush")
    place = page.locator("#after").bounding_box()
    width, height = sample_portrait()[0].size
    scale = place["height"] / height
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2

    def stroke(dx: float) -> None:
        page.mouse.move(x - dx * scale, y)
        page.mouse.down()
        page.mouse.move(x + dx * scale, y)
        page.mouse.up()

    page.fill("#width", "25")
    stroke(width / 4)
    page.fill("#width", "4")
    page.click("#eraser")
    expect(page.locator("#eraser")).to_have_attribute("aria-pressed", "true")
    stroke(width / 2)
    page.click("text=Done")
    page.wait_for_selector("text=From now on edits keep to the mask.")
    user = users.user("ann")
    region = user.chat(user.sessions.ids()[0]).settings.region
    mask = user.sessions.store.image(region.removeprefix("#")).convert("L")
    middle = width // 2
    white = [row for row in range(height) if mask.getpixel((middle, row)) > 127]
    assert len(white) == pytest.approx(0.21 * height, abs=0.03 * height)
    assert height // 2 not in white and height // 2 - height // 12 in white
    page.click("text=Region: painted")
    page.click("#brush")
    expect(page.locator("#eraser")).to_have_attribute("aria-pressed", "false")
    page.click("text=Done")
    expect(page.locator("#brushes")).to_be_hidden(timeout=PATIENCE)
    assert len(user.chat(user.sessions.ids()[0]).conversation.messages) == 2


def test_what_is_typed_in_mid_edit_stays_and_guesses_are_shown(
    page: Any, gate: threading.Event
) -> None:
    page.click("#sample")
    at(page, "@0 original", turns=1)
    gate.clear()
    say(page, "give her a red hat")
    page.wait_for_selector("#glimpse:not([hidden])")
    page.wait_for_function("() => document.getElementById('glimpse').naturalWidth === 16")
    say(page, "make her sad")
    gate.set()
    at(page, "@1 give her a red hat", turns=2)
    assert page.input_value("#text") == "make her sad"
    assert not page.is_visible("#glimpse")


def test_tries_side_by_side_and_a_new_base(page: Any) -> None:
    page.click("#sample")
    at(page, "@0 original", turns=1)
    say(page, "give her a red hat")
    at(page, "@1 give her a red hat", turns=2)
    assert not page.is_visible("#beside")
    page.click("text=Another try")
    at(page, "@2 give her a red hat, another way", turns=3)
    page.click("text=Side by side (2)")
    assert page.locator(".variant").count() == 2 and not page.is_visible("#picture")
    page.click(".variant >> nth=0")
    at(page, "@1 give her a red hat", turns=3)
    assert page.is_visible("#picture")
    page.click("text=New base")
    at(page, "@3 original", turns=4)
    say(page, "/show 1")
    page.wait_for_selector("#log img")


def test_what_happens_elsewhere_is_seen_and_sessions_stay_apart(
    page: Any, users: Users, gate: threading.Event
) -> None:
    page.click("#sample")
    at(page, "@0 original", turns=1)
    user = users.user("ann")
    (session,) = user.sessions.ids()
    list(user.say(session, "give her sunglasses"))
    page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    at(page, "@1 give her sunglasses", turns=2)
    assert "Added: sunglasses (@1)." in page.inner_text("#log")
    gate.clear()
    say(page, "make her sad")
    page.wait_for_selector("#bar[value]")
    page.click("#sample")
    at(page, "@0 original", turns=1)
    gate.set()
    while user.working(session):
        page.wait_for_timeout(50)
    page.wait_for_load_state("networkidle")
    at(page, "@0 original", turns=1)
    assert page.inner_text("#log") == ""


@pytest.mark.parametrize("users", [["portraits-128"]], indirect=True)
def test_a_model_is_chosen_for_a_new_session(page: Any, users: Users) -> None:
    page.click("#sample")
    at(page, "@0 original", turns=1)
    say(page, "make her sad")
    at(page, "@1 make her sad", turns=2)
    first = page.evaluate("() => location.hash.slice(1)")
    page.select_option("#models", "portraits-128")  # a session keeps its model
    page.wait_for_selector("#empty:not([hidden])")
    assert page.locator(".turn:visible").count() == 0
    page.click("#sample")
    at(page, "@0 original", turns=1)
    second = page.evaluate("() => location.hash.slice(1)")
    user = users.user("ann")
    assert user.studio_of(second).settings.model == "portraits-128"
    assert user.studio_of(first).settings.model == "portraits"
    page.select_option("#sessions", first)
    page.wait_for_function("() => document.getElementById('models').value === 'portraits'")


def test_one_model_is_no_choice(page: Any) -> None:
    page.click("#sample")
    at(page, "@0 original", turns=1)
    assert not page.is_visible("#models")


def test_pictures_are_opened_by_keyboard(page: Any) -> None:
    page.focus("#open")
    with page.expect_file_chooser():
        page.keyboard.press("Enter")


def test_it_can_be_stopped_and_fits_a_phone(page: Any, gate: threading.Event) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("#sample")
    at(page, "@0 original", turns=1)
    gate.clear()
    say(page, "give her a red hat")
    page.wait_for_selector("#bar[value]")
    page.keyboard.press("Escape")
    page.wait_for_selector("text=Stopped; every finished edit is kept.")
    gate.set()
    at(page, "@0 original", turns=1)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.is_visible("#send")


def test_the_interface_has_a_page_and_asks_no_other_host(page: Any) -> None:
    from playwright.sync_api import expect

    page.goto(page.url.split("#")[0] + "docs")
    asked = page.locator(".opblock-summary-path", has_text="/messages").first
    expect(asked).to_be_visible(timeout=PATIENCE)
