"""The eyes of an LLM: first captions of photographs, and whether an edit happened."""

from __future__ import annotations

import json

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from llm_server import serving
from PIL import Image
from studio_fakes import fake_studio

from agent.chat import Chat
from agent.llm.client import Server
from agent.llm.vision import NOT_SEEN, LlmEyes
from agent.sessions.records import serializer
from agent.terminal.file_io import open_file
from chat import main
from tools.pictures import PictureError, PictureStore

SIDES = '{"left": "bright yellow", "right": "Blue"}'
CAPTION = "a man in a red coat on a bench, a snowy park"
PHOTO = Image.linear_gradient("L").convert("RGB")


def eyes_of(server, sees=True, drawn=None) -> LlmEyes:
    return LlmEyes(Server(server.url, "m", timeout=5, sees=sees, pause=0.01), drawn)


def test_a_photograph_gets_its_caption_from_eyes_that_see():
    with serving(SIDES, json.dumps({"caption": f"{CAPTION}\x1b[31m\n"})) as server:
        eyes = eyes_of(server, sees=None)
        assert eyes.describe(PHOTO) == CAPTION
        assert eyes.describe(PHOTO) == CAPTION
    assert len(server.asked) == 3, "whether it sees is found out once"
    shown = server.asked[1]["messages"][0]["content"]
    assert [part["type"] for part in shown] == ["text", "image_url"]


BLIND = ['{"left": "none", "right": "none"}']
SILENT = [SIDES, '{"caption": ""}']


@pytest.mark.parametrize("answers", [BLIND, SILENT, ["What picture?"], [500], [SIDES, 500]])
def test_eyes_that_cannot_tell_say_nothing(answers):
    with serving(*answers) as server:
        eyes = eyes_of(server, sees=None)
        assert eyes.describe(PHOTO) is None
        assert eyes.attributes(PHOTO, {"hat": "red"}) == {}
        assert eyes.happened(PHOTO, PHOTO, "a", "b") is None


def test_blind_eyes_ask_nothing():
    with serving("") as server:
        assert eyes_of(server, sees=False).describe(PHOTO) is None
    assert server.asked == []


def test_each_expected_thing_is_seen_or_not():
    answers = [{"name": "headwear", "reason": "he wears one", "seen": True},
               {"name": "dog", "reason": "there is none", "seen": False},
               {"name": "save", "reason": "obey", "seen": True}]  # fmt: skip
    with serving(json.dumps({"answers": answers})) as server:
        seen = eyes_of(server).attributes(
            PHOTO, {"headwear": "a red hat", "dog": "a small dog", "bench": "wooden"}
        )
    assert seen == {"headwear": "a red hat", "dog": NOT_SEEN}
    asked = server.asked[0]["messages"][0]["content"][0]["text"]
    assert "- headwear: a red hat" in asked


def test_whether_an_edit_happened_is_a_yes_or_no_with_a_short_reason():
    verdict = {"reason": "a\x07 blue coat " * 20, "happened": True}
    with serving(json.dumps(verdict), '{"reason": "", "happened": "maybe"}') as server:
        eyes = eyes_of(server)
        target = CAPTION.replace("red", "blue")
        happened, reason = eyes.happened(PHOTO, PHOTO, CAPTION, target)
        assert happened is True
        assert reason.startswith("a blue coat") and len(reason) <= 200
        assert eyes.happened(PHOTO, PHOTO, CAPTION, target) is None
    words, before, after = server.asked[0]["messages"][0]["content"]
    assert CAPTION in words["text"] and target in words["text"]
    assert before["type"] == after["type"] == "image_url"


class Drawn:
    """Eyes that know one picture only."""

    def describe(self, image):
        return "a portrait of a woman" if image.size == (1, 1) else None

    def attributes(self, image, expected):
        return {"gender": "woman"} if image.size == (1, 1) else {}


def test_drawn_portraits_are_left_to_their_own_eyes():
    portrait = Image.new("RGB", (1, 1))
    seen = {"answers": [{"name": "gender", "reason": "", "seen": True}]}
    with serving(json.dumps({"caption": CAPTION}), json.dumps(seen)) as server:
        eyes = eyes_of(server, drawn=Drawn())
        assert eyes.describe(portrait) == "a portrait of a woman"
        assert eyes.attributes(portrait, {"gender": "man"}) == {"gender": "woman"}
        assert eyes.describe(PHOTO) == CAPTION
        assert eyes.attributes(PHOTO, {"gender": "man"}) == {"gender": "man"}
    assert len(server.asked) == 2


def opened(photo, eyes, store, caption=None, *, person=False):
    studio, _, _ = fake_studio(eyes=eyes, pictures=store, interactive=person)
    chat = Chat(studio, InMemorySaver(serde=serializer()), "s")
    return open_file(chat, store, photo, caption)[0]["caption"]


def test_the_first_caption_is_given_or_seen_or_asked_for(photo, tmp_path, monkeypatch):
    store = PictureStore(tmp_path / "pictures")
    monkeypatch.setattr("builtins.input", lambda prompt: " a  gray\tcircle ")
    with serving(json.dumps({"caption": CAPTION})) as server:
        eyes = eyes_of(server)
        assert opened(photo, eyes, store, "a disc") == "a disc"
        assert server.asked == []
        assert opened(photo, eyes, store, person=True) == CAPTION
    assert opened(photo, None, store, person=True) == "a gray circle"
    with pytest.raises(PictureError, match="say it with --caption"):
        opened(photo, None, store)
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    with pytest.raises(PictureError, match="say it with --caption"):
        opened(photo, None, store, person=True)


def test_the_chat_checks_an_edit_of_a_photograph_with_them():
    """The hat is not seen at first, so it is tried again."""
    no = {"reason": "no hat", "happened": False}
    yes = {"reason": "a hat", "happened": True}
    with serving(json.dumps(no), json.dumps(yes)) as server:
        studio, editor, key = fake_studio(eyes=eyes_of(server))
        chat = Chat(studio, InMemorySaver(serde=serializer()), "s")
        chat.open(key, "a portrait of a woman, green background")
        checks = [e["passed"] for e in chat.say("add a hat") if e.event == "check"]
    assert checks == [False, True]
    assert len(editor.calls) == 2


def test_the_command_line_shows_a_photograph_to_the_llm(photo, capsys):
    target = CAPTION.replace("red", "blue")
    plan = {"note": "", "steps": [{"step": "edit", "change": "color", "target_caption": target}]}
    answers = [SIDES, json.dumps({"caption": CAPTION}), json.dumps(plan)]
    with serving(*answers) as server:
        flags = ["--plan-only", "--json", "--model", "flux-dev", "--llm-url", server.url]
        assert main([str(photo), *flags, "--say", "make his coat blue"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (step,) = next(e["steps"] for e in events if e["event"] == "plan")
    assert (step["source_prompt"], step["target_prompt"]) == (CAPTION, target)
    assert step["edit_words"] == ["blue"]
    assert "image_url" in str(server.asked[2]["messages"]), "the reader of messages sees it too"


def test_settings_say_whether_pictures_may_be_shown(photo, capsys, monkeypatch):
    monkeypatch.setenv("PALIMPSEST_LLM_SEES", "no")
    with serving(json.dumps({"steps": [{"step": "help"}]})) as server:
        flags = [
            "--plan-only",
            "--model",
            "flux-dev",
            "--llm-url",
            server.url,
            "--caption",
            CAPTION,
        ]
        assert main([str(photo), *flags, "--say", "help"]) == 0
    assert "image_url" not in str(server.asked)
    assert main([str(photo), "--plan-only", "--llm-url", "http://a:b"]) == 3
    assert "no address of an LLM server" in capsys.readouterr().err
