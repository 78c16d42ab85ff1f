"""Conversations over HTTP: tokens, messages as events, pictures, and several people at once."""

import base64
import io
import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from serving import ANN, BOB
from starlette.testclient import TestClient

from agent.bootstrap import studio_of
from agent.context import ChatContext
from agent.serve import command
from agent.serve.app import create_app
from agent.serve.edit_queue import EditQueue
from agent.serve.user_sessions import ALLOWED
from agent.serve.users import Users, tokens_in
from agent.sessions.catalog import open_home
from agent.settings import AppSettings
from agent.terminal.commands import names
from tools.adjust_picture import Operation
from tools.arguments import InputError
from tools.inspection import sample_portrait
from tools.pictures import PictureStore


def client_of(users: Users, token: str = ANN) -> TestClient:
    return TestClient(create_app(users), headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def client(users: Users) -> TestClient:
    return client_of(users)


def said(client: TestClient, session: str, text: str) -> list[dict[str, Any]]:
    """Say something and return all events."""
    answer = client.post(f"/v1/sessions/{session}/messages", json={"text": text})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [part.split("\n") for part in answer.text.strip().split("\n\n")]
    told = [json.loads(data.removeprefix("data: ")) for _, data in parts]
    assert [f"event: {each['event']}" for each in told] == [head for head, _ in parts]
    return told


def replies(told: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for each in told if each["event"] == "reply"]


def begun(client: TestClient) -> str:
    answer = client.post("/v1/sessions")
    assert answer.status_code == 201
    session: str = answer.json()["session"]
    return session


def written(image: Image.Image) -> bytes:
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def portrait() -> bytes:
    return written(sample_portrait()[0])


def png(width: int = 400, height: int = 300) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(held, "PNG")
    return held.getvalue()


def test_a_conversation_with_a_branch(client: TestClient) -> None:
    session = begun(client)
    assert replies(said(client, session, "give her a red hat")) == ["Added: red hat (@1)."]
    assert said(client, session, "/undo")[-1]["event"] == "reply"
    assert replies(said(client, session, "give her sunglasses")) == ["Added: sunglasses (@2)."]
    state = client.get(f"/v1/sessions/{session}").json()
    assert [turn["parent"] for turn in state["turns"]] == [None, 0, 0]
    assert (state["head"], state["working"], state["question"]) == (2, False, None)
    assert [message["text"] for message in state["messages"]] == [
        "give her a red hat", "/undo", "give her sunglasses",
    ]  # fmt: skip
    assert [row["session"] for row in client.get("/v1/sessions").json()] == [session]
    assert client.delete(f"/v1/sessions/{session}").status_code == 204
    assert client.get(f"/v1/sessions/{session}").status_code == 404


def test_a_session_keeps_the_model_that_it_began_with(users: Users) -> None:
    edits: list[str] = []

    def other(store: PictureStore, person: str) -> ChatContext:
        usual = users.studio_in(store, person)

        def edit(**asked: Any) -> Any:
            edits.append(asked["head"])
            assert usual.edit is not None
            return usual.edit(**asked)

        settings = usual.settings.model_copy(update={"model": "flux-dev"})
        return replace(usual, edit=edit, settings=settings)

    client = client_of(replace(users, others={"flux-dev": other}))
    names = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert names == ["portraits", "flux-dev"]
    refused = client.post("/v1/sessions", data={"model": "what"})
    assert refused.status_code == 422 and "portraits, flux-dev" in refused.json()["error"]
    session = client.post("/v1/sessions", data={"model": "flux-dev"}).json()["session"]
    for wish in ("give her a red hat", "make her sad"):
        said(client, session, wish)
    said(client, begun(client), "give her a red hat")
    assert len(edits) == 2
    assert client.get(f"/v1/sessions/{session}").json()["model"] == "flux-dev"
    told = client.get(f"/v1/sessions/{session}/conversation").json()
    assert told["settings"]["model"] == "flux-dev"
    data = {"prompt": "give her a red hat", "model": "flux-dev"}
    assert client.post("/v1/images/edits", files={"image": portrait()}, data=data).is_success
    usual = data | {"model": "gpt-image-1"}
    assert client.post("/v1/images/edits", files={"image": portrait()}, data=usual).is_success
    assert len(edits) == 3


def test_pictures_are_kept_by_browsers_and_made_smaller(client: TestClient) -> None:
    session = begun(client)
    name = client.get(f"/v1/sessions/{session}").json()["turns"][0]["picture"]
    whole = client.get(f"/v1/pictures/{name}")
    assert "immutable" in whole.headers["cache-control"]
    first = sample_portrait()[0]
    assert Image.open(io.BytesIO(whole.content)).size == first.size
    small = Image.open(io.BytesIO(client.get(f"/v1/pictures/{name}?width=100").content))
    assert small.width == min(160, first.width)
    assert client.get("/v1/pictures/" + "0" * 64).status_code == 404
    assert client.get("/v1/pictures/..%2f..%2fsessions").status_code == 404


def test_a_picture_of_ones_own_comes_back_in_its_format(client: TestClient) -> None:
    held = io.BytesIO()
    sample_portrait()[0].resize((300, 300)).convert("RGB").save(held, "JPEG")
    answer = client.post("/v1/sessions", files={"pictures": ("me.jpg", held.getvalue())})
    session = answer.json()["session"]
    file = client.get(f"/v1/sessions/{session}/turns/0/file")
    assert file.headers["content-disposition"].endswith("''00-original.jpg")
    assert Image.open(io.BytesIO(file.content)).format == "JPEG"
    assert client.get(f"/v1/sessions/{session}/turns/9/file").status_code == 404


def test_several_pictures_and_the_first_is_the_base(client: TestClient) -> None:
    files = [
        ("pictures", (name, png(*size)))
        for name, size in (("a.png", (400, 300)), ("b.png", (80, 90)))
    ]
    answer = client.post("/v1/sessions", files=files, data={"caption": "a teal wall"})
    assert answer.status_code == 201, answer.text
    turns = answer.json()["turns"]
    assert len(turns) == 2 and answer.json()["head"] == 1
    base = client.get(f"/v1/pictures/{turns[1]['picture']}").content
    assert Image.open(io.BytesIO(base)).size == (400, 300)


@pytest.mark.parametrize(
    ("files", "status", "sentence"),
    [
        ([("a.png", b"no picture")], 422, "a.png"),
        ([("a.png", png())], 422, "Nobody here can tell what"),
        ([("a.png", png())] * 11, 422, "At most 10 pictures"),
    ],
)
def test_what_cannot_be_opened_is_said(
    client: TestClient, files: list[Any], status: int, sentence: str
) -> None:
    answer = client.post("/v1/sessions", files=[("pictures", file) for file in files])
    assert answer.status_code == status
    assert sentence in answer.json()["error"] and "/tmp" not in answer.text


def test_nobody_comes_in_without_a_token(users: Users) -> None:
    for token in ("", "wrong"):
        answer = client_of(users, token).get("/v1/sessions")
        assert answer.status_code == 401 and "token" in answer.json()["error"]


def test_the_page_leaves_the_token_in_a_cookie(users: Users) -> None:
    browser = TestClient(create_app(users), follow_redirects=False)
    answer = browser.get(f"/?token={ANN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert "HttpOnly" in answer.headers["set-cookie"]
    page = browser.get("/")
    assert "<title>Palimpsest</title>" in page.text and "default-src 'self'" in str(page.headers)
    assert browser.get("/v1/sessions").status_code == 200
    assert browser.get("/page/app.js").status_code == 200


def test_nobody_sees_what_is_anothers(users: Users) -> None:
    ann, bob = client_of(users), client_of(users, BOB)
    session = begun(ann)
    said(ann, session, "give her a red hat")
    hat = ann.get(f"/v1/sessions/{session}").json()["turns"][1]["picture"]
    assert bob.get("/v1/sessions").json() == []
    for path in (f"/sessions/{session}", f"/pictures/{hat}", f"/sessions/{session}/turns/1/file"):
        assert bob.get(f"/v1{path}").status_code == 404, path
    answer = bob.post(f"/v1/sessions/{session}/messages", json={"text": "add a hat"})
    assert answer.status_code == 404


def test_one_message_at_a_time_and_it_can_be_stopped(
    client: TestClient, gate: threading.Event
) -> None:
    session = begun(client)
    gate.clear()
    told: list[dict[str, Any]] = []
    talking = threading.Thread(
        target=lambda: told.extend(said(client, session, "give her a red hat"))
    )
    talking.start()
    wait_for(lambda: client.get(f"/v1/sessions/{session}").json()["working"])
    second = client.post(f"/v1/sessions/{session}/messages", json={"text": "make her sad"})
    assert second.status_code == 409 and "still works" in second.json()["error"]
    assert client.post(f"/v1/sessions/{session}/stop").json() == {"stopping": True}
    talking.join(20)
    assert told[-1] == {
        "event": "note", "session": session, "text": "Stopped; every finished edit is kept.",
    }  # fmt: skip
    state = client.get(f"/v1/sessions/{session}").json()
    assert (state["head"], len(state["turns"]), state["working"]) == (0, 1, False)
    assert client.post(f"/v1/sessions/{session}/stop").json() == {"stopping": False}
    gate.set()
    assert replies(said(client, session, "make her sad")) == ["Changed: sad (@1)."]


def test_a_message_is_finished_though_its_listener_left(users: Users) -> None:
    user, session = users.user("ann"), begun(client_of(users))
    happening = user.say(session, "give her a red hat")
    next(happening)
    del happening
    wait_for(lambda: not user.working(session))
    assert user.chat(session).conversation.head == 1


def test_edits_of_several_people_wait_in_line(users: Users, gate: threading.Event) -> None:
    ann, bob = users.user("ann"), users.user("bob")
    first, second = begun(client_of(users)), begun(client_of(users, BOB))
    gate.clear()
    heard = [ann.say(first, "give her a red hat")]
    assert any(told["event"] == "step" for told in heard[0])
    heard.append(bob.say(second, "make her sad"))
    assert any(told == {"event": "queued", "session": second, "before": 1} for told in heard[1])
    gate.set()
    ended = [[told["event"] for told in happening][-1] for happening in heard]
    assert ended == ["reply", "reply"] and len(users.queue) == 0


def test_each_person_has_a_store_of_their_own(tmp_path: Path) -> None:
    """Edits and plain operations go where the person's pictures are."""
    mine, hers = PictureStore(tmp_path / "mine"), PictureStore(tmp_path / "hers")
    studio = studio_of(AppSettings(home=tmp_path, offline=True), person=True, note=lambda _: None)
    over = command.over(replace(studio, pictures=mine), hers, "ann")
    name = hers.put(sample_portrait()[0])
    assert over.adjust is not None and over.pictures is hers
    crop = Operation("crop", "2:1")
    made = over.adjust(head=name, original=name, operation=crop, captions=("", ""), request="")
    assert made.picture in hers and made.picture not in mine
    assert over.edit._store is hers  # type: ignore[union-attr]


def test_the_line_is_fair() -> None:
    line, order = EditQueue(), list[int]()
    holding = line.turn(lambda before: None)
    holding.__enter__()
    waiting = []
    for i in range(5):

        def wait(i: int = i) -> None:
            with line.turn(lambda before: None):
                order.append(i)

        waiting.append(threading.Thread(target=wait))
        waiting[-1].start()
        wait_for(lambda i=i: len(line) == i + 2)  # type: ignore[misc]
    holding.__exit__(None, None, None)
    for thread in waiting:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]


def test_a_question_waits_for_its_answer(client: TestClient) -> None:
    session = begun(client)
    told = said(client, session, "change her hair")
    assert told[-1]["event"] == "question"
    question = client.get(f"/v1/sessions/{session}").json()["question"]
    assert question["options"]
    said(client, session, question["options"][0])
    state = client.get(f"/v1/sessions/{session}").json()
    assert state["question"] is None and state["head"] == 1


@pytest.mark.parametrize(
    "line", ["/save /tmp/x.png", "/open /etc/passwd", "/export page /tmp/x", "/session list"]
)
def test_commands_that_touch_files_are_for_the_terminal(client: TestClient, line: str) -> None:
    told = said(client, begun(client), line)
    assert [each["event"] for each in told] == ["turn.failed"]
    assert "for the terminal" in told[0]["error"]


def test_what_may_be_commanded_exists() -> None:
    assert set(ALLOWED) <= set(names())


def test_a_wish_to_save_writes_nothing_here(client: TestClient, tmp_path: Path) -> None:
    session = begun(client)
    wanted = tmp_path / "mine.png"
    told = said(client, session, f"save it as {wanted}")
    assert [each["turn"] for each in told if each["event"] == "save"] == [0]
    assert not wanted.exists()
    assert [each["path"] for each in told if each["event"] == "save"] == [str(wanted)]


def test_a_session_that_the_terminal_holds_is_said(client: TestClient, tmp_path: Path) -> None:
    session = begun(client)
    with open_home(tmp_path / "people" / "ann") as sessions, sessions.held(session):
        told = said(client, session, "give her a red hat")
        assert "open in another process" in told[-1]["error"]
        assert client.delete(f"/v1/sessions/{session}").status_code == 409
    assert replies(said(client, session, "give her a red hat")) == ["Added: red hat (@1)."]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("short ann", "16 characters"),
        (f"{ANN} Ann!", "TOKEN NAME"),
        (f"{ANN}", "TOKEN NAME"),
        ("# nobody", "names nobody"),
    ],
)
def test_a_bad_file_of_tokens_is_refused(tmp_path: Path, lines: str, sentence: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(lines)
    with pytest.raises(InputError, match=sentence):
        tokens_in(file)


def test_tokens_are_read(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# people\n{ANN} ann  # her\n\n{BOB} bob\n")
    assert tokens_in(file) == {ANN: "ann", BOB: "bob"}


def test_a_step_needs_no_reading(client: TestClient) -> None:
    """And with it, or with a message, options are chosen."""
    session = begun(client)
    said(client, session, "give her a red hat")
    path = f"/v1/sessions/{session}/messages"
    told = client.post(path, json={"step": {"step": "undo"}, "chosen": {"seed": 40}}).text
    assert "Back at @0" in told
    made = client.post(path, json={"text": "make her sad", "chosen": {"strength": "-1"}}).text
    assert '"seed": 42' in made
    now = client.get(f"/v1/sessions/{session}/conversation").json()
    assert now["conversation"]["chosen"] == {"seed": 40, "strength": -1}
    assert (now["settings"]["model"], now["working"], now["unfinished"]) == ("portraits", False, "")


@pytest.mark.parametrize(
    "body",
    [
        {"text": "make her sad", "chosen": {"method": "nothing"}},
        {"text": "make her sad", "chosen": {"strength": 99}},
        {"text": "make her sad", "chosen": {"home": "/"}},
        {"step": {"step": "choose", "setting": "method", "value": "nothing"}},
        {"step": {"step": "format", "disk": "c"}},
        {"step": {"step": "goto", "turn": -1}},
    ],
)
def test_what_cannot_be_chosen_or_done(client: TestClient, body: dict[str, Any]) -> None:
    session = begun(client)
    answer = client.post(f"/v1/sessions/{session}/messages", json=body)
    assert answer.status_code == 422 and answer.json()["error"]
    told = said(client, session, "make her sad")
    assert replies(told) == ["Changed: sad (@1)."]


@pytest.mark.parametrize(
    "how", [{"json": {"text": ["x"]}}, {"json": {"text": "x" * 30_000}}, {"content": "no json"}]
)
def test_every_error_is_a_sentence(client: TestClient, how: dict[str, Any]) -> None:
    answer = client.post(f"/v1/sessions/{begun(client)}/messages", **how)
    assert answer.status_code == 422 and isinstance(answer.json()["error"], str)
    assert client.get("/v1/nothing").json() == {"error": "Not Found"}


def test_a_port_that_cannot_be_had_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        assert command.serve(["--offline", "--port", str(held.getsockname()[1])]) == 2
    error = capsys.readouterr().err
    assert "address already in use; try --port" in error and "token=" not in error
    with pytest.raises(SystemExit, match="2"):
        command.serve(["--port", "99999999"])


def test_others_come_in_by_tokens_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.serve(["--host", "0.0.0.0"]) == 2
    assert "needs --tokens" in capsys.readouterr().err


def test_models_that_are_not_there_are_refused_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.serve(["--offline", "--models", "portraits-128, nonsense"]) == 3
    assert "There is no model 'nonsense'" in capsys.readouterr().err


def test_openais_own_client_edits_a_picture(client: TestClient) -> None:
    from openai import BadRequestError, OpenAI

    held = io.BytesIO()
    sample_portrait()[0].save(held, "PNG")
    theirs = OpenAI(api_key=ANN, base_url="http://testserver/v1", http_client=client)
    answer = theirs.images.edit(
        model="any", image=("me.png", held.getvalue()), prompt="give her a red hat"
    )
    assert answer.data is not None and answer.data[0].b64_json is not None
    made = Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json)))
    assert made.size == sample_portrait()[0].size
    for prompt, sentence in (("who are you?", "."), ("", "empty"), ("frobnicate", "understand")):
        with pytest.raises(BadRequestError, match=sentence):
            theirs.images.edit(model="any", image=("me.png", held.getvalue()), prompt=prompt)


def test_an_edit_in_openais_form_keeps_to_its_mask(client: TestClient, users: Users) -> None:
    mask = Image.new("RGBA", sample_portrait()[0].size, "black")
    mask.paste((0, 0, 0, 0), (10, 20, 60, 50))
    files = {"image": ("me.png", portrait()), "mask": ("mask.png", written(mask))}
    answer = client.post("/v1/images/edits", files=files, data={"prompt": "give her a red hat"})
    assert answer.status_code == 200, answer.text
    sessions = users.user("ann").sessions
    (session,) = sessions.ids()
    region = users.user("ann").chat(session).settings.region
    assert sessions.store.image(region.removeprefix("#")).convert("L").getbbox() == (10, 20, 60, 50)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [(b"<svg>", "is not a picture"), (None, "no place where edits may act")],
)
def test_masks_that_cannot_be_used(client: TestClient, mask: bytes | None, sentence: str) -> None:
    content = written(Image.new("L", (64, 64))) if mask is None else mask
    answer = client.post(f"/v1/sessions/{begun(client)}/masks", files={"mask": ("m", content)})
    assert answer.status_code == 422 and sentence in answer.json()["error"]
    assert "/tmp" not in answer.text


def test_guesses_at_the_picture_are_told(client: TestClient) -> None:
    told = said(client, begun(client), "give her a red hat")
    guess = next(each["png"] for each in told if each["event"] == "glimpse")
    assert Image.open(io.BytesIO(base64.b64decode(guess))).size == (16, 16)


def wait_for(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
