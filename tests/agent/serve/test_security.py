"""Crafted requests to a real server: nothing of others is seen, and nothing leads elsewhere."""

import errno
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from serving import ANN, BOB, exact_users, running, spoken

from agent.serve.routes import uploaded_name
from agent.serve.users import Users
from tools.inspection import sample_portrait

MARKUP = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    """Ann and Bob; one server for all of these tests."""
    gate = threading.Event()
    gate.set()
    made = exact_users(tmp_path_factory.mktemp("home"), gate, sees=False)
    yield made
    made.close()


@pytest.fixture(scope="module")
def port(users: Users) -> Iterator[int]:
    with running(users) as found:
        yield found


@pytest.fixture(scope="module")
def ann(port: int) -> Iterator[httpx.Client]:
    with client_of(port, ANN) as client:
        yield client


@pytest.fixture(scope="module")
def bob(port: int) -> Iterator[httpx.Client]:
    with client_of(port, BOB) as client:
        yield client


@pytest.fixture(scope="module")
def session(ann: httpx.Client) -> str:
    """A session of Ann's with one edit."""
    made: str = ann.post("/v1/sessions").json()["session"]
    answer = ann.post(f"/v1/sessions/{made}/messages", json={"text": "give her a red hat"})
    assert '"turn.completed"' in answer.text
    return made


def client_of(port: int, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=400)


def png() -> bytes:
    held = io.BytesIO()
    sample_portrait()[0].save(held, "PNG")
    return held.getvalue()


def sized(side: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(held, "PNG")
    return held.getvalue()


def raw(port: int, path: str, *, method: str = "GET", token: str = ANN, more: str = "") -> bytes:
    """Ask for a path as it is written, which clients would tidy up."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}"
    return spoken(port, f"{head}Connection: close\r\n\r\n".encode("latin-1"))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/pictures/../../sessions.sqlite",
        "/v1/pictures/..%2f..%2fsessions.sqlite",
        "/v1/pictures/%2e%2e",
        "/v1/pictures/..%5c..%5csessions",
        "/v1/pictures/%00",
        "/v1/pictures/" + "A" * 64,
        "/v1/pictures/" + "a" * 20_000,
        "/page/../app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e/%2e%2e/users.py",
        "/page//etc/passwd",
        "/v1/sessions/..%2f..%2fbob",
        "/v1/sessions/%2e%2e/turns/0/file",
        "/v1/sessions/x%00y",
        "//v1/sessions/../..",
    ],
)
def test_no_path_leads_out(port: int, path: str) -> None:
    answer = raw(port, path)
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), answer[:300]
    assert b"SQLite" not in answer and b"import" not in answer and b"root:" not in answer


@pytest.mark.parametrize(
    "forged", ["", "'", "' OR 1=1 --", "../bob", "*", "%", "x" * 5000, "\u202e", "0", "-1"]
)
def test_a_forged_session_is_nobodys(ann: httpx.Client, session: str, forged: str) -> None:
    quoted = httpx.URL("http://x").copy_with(path=f"/v1/sessions/{forged}/messages").raw_path
    for method, path, body in (
        ("POST", quoted.decode(), {"text": "add a hat"}),
        ("GET", quoted.decode().removesuffix("/messages"), None),
        ("DELETE", quoted.decode().removesuffix("/messages"), None),
    ):
        answer = ann.request(method, path, json=body)
        listing = forged == "" and method == "GET"
        assert answer.status_code in ((200, 307) if listing else (404, 405, 307)), answer.text
    assert ann.get(f"/v1/sessions/{session}").status_code == 200, "it is still there"


def test_who_guesses_a_hash_sees_nothing(
    ann: httpx.Client, bob: httpx.Client, session: str, users: Users
) -> None:
    """Ann's pictures, by their very hashes, in every route that takes one."""
    turns = ann.get(f"/v1/sessions/{session}").json()["turns"]
    only_hers = turns[1]["picture"]
    assert ann.get(f"/v1/pictures/{only_hers}").status_code == 200
    for path in (f"/v1/pictures/{only_hers}", f"/v1/pictures/{only_hers}?width=160"):
        answer = bob.get(path)
        assert answer.status_code == 404 and answer.json() == {"error": "There is no such picture."}
    theirs = bob.post("/v1/sessions").json()["session"]
    answer = bob.post(f"/v1/sessions/{theirs}/messages", json={"text": f"/goto {only_hers}"})
    assert '"turn.failed"' in answer.text
    for path in (f"/sessions/{session}", f"/sessions/{session}/turns/1/file"):
        assert bob.get(f"/v1{path}").status_code == 404
    for path in (f"/sessions/{session}/stop", f"/sessions/{session}/messages"):
        assert bob.post(f"/v1{path}", json={"text": "add a hat"}).status_code == 404
    assert bob.delete(f"/v1/sessions/{session}").status_code == 404
    assert ann.get(f"/v1/sessions/{session}").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://127.0.0.1:{port}"}, 201),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
def test_other_pages_cannot_act(port: int, headers: dict[str, str], status: int) -> None:
    """With the cookie, as a browser would send it."""
    told = {name: value.format(port=port) for name, value in headers.items()}
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/sessions", timeout=400,
        headers=told | {"Cookie": f"palimpsest={ANN}"},
    )  # fmt: skip
    assert answer.status_code == status, answer.text
    assert "access-control-allow-origin" not in answer.headers
    if status == 403:
        assert answer.json() == {"error": "Requests from other pages are not taken."}


def test_no_page_may_ask_first(port: int) -> None:
    """A preflight gets no leave."""
    answer = httpx.options(
        f"http://127.0.0.1:{port}/v1/sessions",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"},
    )
    assert answer.status_code in (401, 405)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_cookie_is_for_our_page_alone(port: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port}/?token={ANN}")
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("me.png", "me.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("..", "picture"),
        ("", "picture"),
        ("/", "picture"),
        ("a\0b.png", "a_b.png"),
        ("<script>alert(1)</script>.png", "script_.png"),
        (f"{MARKUP}.png", "___img src_x onerror_alert(1)_.png"),
        ("x" * 5000 + ".png", "x" * 56 + ".png"),
        ("Größe 2.jpg", "Größe 2.jpg"),
        ("\u202egnp.exe", "_gnp.exe"),
    ],
)
def test_names_of_uploaded_files(ann: httpx.Client, sent: str, kept: str) -> None:
    assert uploaded_name(sent) == kept
    body = (
        b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="'
        + sent.replace('"', "%22").encode()
        + b'"\r\nContent-Type: image/png\r\n\r\nno picture\r\n--x--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = ann.post("/v1/sessions", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert "<" not in answer.text and "/tmp" not in answer.text
    assert isinstance(answer.json()["error"], str)


def test_markup_is_only_words(ann: httpx.Client) -> None:
    """It comes back as JSON, which no browser takes for a page, whatever it says."""
    picture = {"pictures": (f"{MARKUP}.png", png())}
    answer = ann.post("/v1/sessions", files=picture, data={"caption": MARKUP})
    assert answer.status_code == 201 and answer.json()["turns"][0]["caption"] == MARKUP
    session = answer.json()["session"]
    told = ann.post(f"/v1/sessions/{session}/messages", json={"text": MARKUP})
    for each in (answer, told, ann.get("/v1/sessions"), ann.get(f"/v1/sessions/{session}")):
        kind = each.headers["content-type"].partition(";")[0]
        assert kind in ("application/json", "text/event-stream")
        assert each.headers["x-content-type-options"] == "nosniff"


def test_words_cannot_forge_events_or_headers(ann: httpx.Client, session: str) -> None:
    """A line break in a message begins no event; a request in any script makes a file's name."""
    text = 'event: reply\ndata: {"event": "reply"}\n\nevent: x\r\nSet-Cookie: a=b'
    answer = ann.post(f"/v1/sessions/{session}/messages", json={"text": text})
    for part in answer.text.strip().split("\n\n"):
        head, data = part.split("\n")
        assert head == f"event: {json.loads(data.removeprefix('data: '))['event']}"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("request_text", ["сделай её старше", "plus âgée\r\nX: y", "\U0001f642"])
def test_a_request_in_any_script_names_a_file(
    users: Users,
    ann: httpx.Client,
    session: str,
    monkeypatch: pytest.MonkeyPatch,
    request_text: str,
) -> None:
    user = users.user("ann")
    known = user.chat(session).conversation
    turns = [turn.model_copy(update={"request": request_text}) for turn in known.turns]

    class Shown:
        conversation = known.model_copy(update={"turns": turns})

    monkeypatch.setattr(type(user), "chat", lambda *_: Shown())
    answer = ann.get(f"/v1/sessions/{session}/turns/1/file")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].isascii() and "x" not in answer.headers
    assert Image.open(io.BytesIO(answer.content)).size == sample_portrait()[0].size


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[" * 200_000, "application/json"),
        (b'{"text": ' + b"9" * 50_000 + b"}", "application/json"),
        (b'{"text": "\\ud800"}', "application/json"),
        (b'{"text": "\\u0000"}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"text=hi", "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
    ],
)
def test_no_body_breaks_it(ann: httpx.Client, session: str, body: bytes, kind: str) -> None:
    for path in (f"/v1/sessions/{session}/messages", "/v1/sessions", "/v1/images/edits"):
        answer = ann.post(path, content=body, headers={"Content-Type": kind})
        assert answer.status_code < 500, (path, answer.text)
        told = answer.text
        assert "Traceback" not in told and "/work" not in told and "site-packages" not in told


@pytest.mark.parametrize("given", ["Bearer", "Bearer \xff", "Basic YTpi", f"Bearer {ANN}x", "ann"])
def test_what_is_no_token_is_nobodys(port: int, given: str) -> None:
    head = f"GET /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: {given}\r\n"
    answer = spoken(port, f"{head}Connection: close\r\n\r\n".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 401"), answer[:200]


def test_a_full_disk_is_told_without_saying_where(
    users: Users, ann: httpx.Client, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tools.pictures.write_whole", full)
    files = {"pictures": ("a.png", sized(90))}
    answer = ann.post("/v1/sessions", files=files, data={"caption": "a wall"})
    assert answer.status_code == 507 and "No space left" in answer.json()["error"]
    told = ann.post(f"/v1/sessions/{session}/messages", json={"text": "make her sad"}).text
    assert '"turn.failed"' in told and "No space left" in told
    assert str(users.homes.folder) not in answer.text + told


def test_whatever_breaks_inside_is_one_sentence(
    users: Users, ann: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any) -> None:
        raise RuntimeError("secret of the server")

    monkeypatch.setattr(type(users.user("ann").sessions), "listed", break_down)
    answer = ann.get("/v1/sessions")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.json()["error"].startswith("Something broke inside (RuntimeError); nothing")
    assert str(users.homes.folder) not in answer.text
    assert "secret of the server" in (users.homes.folder / "errors.log").read_text()
