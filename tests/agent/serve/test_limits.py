"""Too much at once, too often, too large or too slow: refused with a status and a sentence."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import ANN, BOB, exact_users, running, spoken

from agent.serve import guard
from agent.serve.limits import STRANGERS, Admission, Limits, Refused, TokenBucket
from agent.serve.users import Users

FEW = Limits(requests=40, edits=3, waiting=2, waiting_in_all=3, upload_mb=1, upload_seconds=3)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(tmp_path: Path, gate: threading.Event, clock: Clock) -> Iterator[Users]:
    """Ann and Bob, who may do little."""
    made = exact_users(tmp_path, gate, Admission(FEW, clock), sees=False)
    yield made
    made.close()


@pytest.fixture
def port(users: Users) -> Iterator[int]:
    with running(users) as found:
        yield found


Client = Callable[..., httpx.Client]


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """Makes clients of a real server."""
    made = []

    def of(token: str = ANN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        made.append(httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=400))
        return made[-1]

    yield of
    for each in made:
        each.close()


def begun(client: httpx.Client) -> str:
    answer = client.post("/v1/sessions")
    assert answer.status_code == 201, answer.text
    session: str = answer.json()["session"]
    return session


def say(client: httpx.Client, session: str, text: str) -> httpx.Response:
    return client.post(f"/v1/sessions/{session}/messages", json={"text": text})


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert all(word in answer.json()["error"] for word in words), answer.text
    assert answer.headers["content-security-policy"], "also on what is refused"


def test_a_bucket_fills_at_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(60, clock)
    assert [bucket.take() for _ in range(60)] == [0.0] * 60
    assert bucket.take() == pytest.approx(1)
    clock.now = 1.5
    assert bucket.take() == 0.0
    assert bucket.take() == pytest.approx(0.5)
    bucket.owe()
    assert bucket.take() == pytest.approx(1.5), "what is owed is waited for, too"
    clock.now = 1000
    assert [bucket.take() for _ in range(61)][-2:] == [0.0, pytest.approx(1)]


def test_requests_a_minute(client: Client, clock: Clock) -> None:
    ann = client()
    for _ in range(FEW.requests):
        assert ann.get("/v1/sessions").status_code == 200
    answer = ann.get("/v1/sessions")
    refused(answer, 429, "At most 40 requests a minute; try again in 2 seconds.")
    assert answer.headers["retry-after"] == "2"
    assert client(BOB).get("/v1/sessions").status_code == 200, "others may go on"
    assert ann.get("/").status_code == 200, "the page itself costs nothing"
    clock.now += 2
    assert ann.get("/v1/sessions").status_code == 200


def test_edits_a_minute_count_all_that_a_message_makes(
    users: Users, client: Client, clock: Clock
) -> None:
    ann = client()
    session = begun(ann)
    assert say(ann, session, "make her older, now add a hat, make her sad").status_code == 200
    answer = say(ann, session, "give her sunglasses")
    refused(answer, 429, "At most 3 edits a minute")
    assert answer.headers["retry-after"] == "20"
    assert len(users.user("ann").chat(session).conversation.turns) == 4
    assert say(client(BOB), begun(client(BOB)), "make her sad").status_code == 200
    clock.now += 20
    assert say(ann, session, "give her sunglasses").status_code == 200


def test_messages_at_once_of_one_person_and_of_all(
    client: Client, gate: threading.Event, users: Users
) -> None:
    ann, bob = client(), client(BOB)
    sessions = [begun(ann) for _ in range(3)]
    others = [begun(bob) for _ in range(2)]
    gate.clear()
    working = [users.user("ann").say(session, "make her sad") for session in sessions[:2]]
    answer = say(ann, sessions[2], "make her sad")
    refused(answer, 429, "You have 2 messages at work")
    assert answer.headers["retry-after"] == "5"
    working.append(users.user("bob").say(others[0], "make her sad"))
    answer = say(bob, others[1], "make her sad")
    refused(answer, 503, "3 messages are worked on already")
    assert answer.headers["retry-after"] == "30"
    gate.set()
    assert [list(told)[-1]["event"] for told in working] == ["reply"] * 3
    assert say(bob, others[1], "make her sad").status_code == 200, "room was made again"


def test_openais_client_is_told_to_come_again(
    client: Client, users: Users, gate: threading.Event
) -> None:
    ann = client()
    sessions = [begun(ann) for _ in range(2)]
    gate.clear()
    working = [users.user("ann").say(session, "make her sad") for session in sessions]
    shown = users.user("ann").chat(sessions[0]).conversation.turns[0].picture
    picture = users.user("ann").sessions.store.path(shown).read_bytes()
    answer = ann.post(
        "/v1/images/edits", files={"image": ("a.png", picture)}, data={"prompt": "add a hat"}
    )
    gate.set()
    for told in working:
        list(told)
    refused(answer, 429, "You have 2 messages")


def test_a_message_that_ends_badly_makes_room(users: Users, client: Client) -> None:
    session = begun(client())
    for _ in range(4):
        list(users.user("ann").say(session, "/nothing"))
        users.admission._edits.clear()
    assert say(client(), session, "make her sad").status_code == 200


def test_wrong_tokens_are_counted_by_address(client: Client, port: int) -> None:
    guessing = client("wrong")
    for _ in range(STRANGERS):
        refused(guessing.get("/v1/sessions"), 401, "token")
    refused(guessing.get("/v1/sessions"), 429, "wrong tokens")
    refused(httpx.get(f"http://127.0.0.1:{port}/?token=guessed"), 429, "wrong tokens")
    assert client().get("/v1/sessions").status_code == 200, "who has one comes in"


def test_addresses_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.serve.limits.ADDRESSES", 3)
    admission = Admission(FEW)
    for number in range(10):
        admission.stranger(f"10.0.0.{number}")
    assert list(admission._strangers) == ["10.0.0.7", "10.0.0.8", "10.0.0.9"]


def test_too_large_by_its_own_word(client: Client) -> None:
    files = {"pictures": ("a.png", b"0" * (2 << 20))}
    refused(client().post("/v1/sessions", files=files), 413, "At most 1 MB")


def test_too_large_without_a_word(client: Client, users: Users) -> None:
    """Chunked, so that only counting tells."""

    def parts() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\n\r\n'
        for _ in range(20):
            yield b"0" * (1 << 17)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client().post("/v1/sessions", content=parts(), headers=headers)
    refused(answer, 413, "At most 1 MB")
    assert not list(users.user("ann").sessions.ids())


def head(path: str, size: int, token: str = ANN) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


def test_a_slow_body(client: Client, port: int) -> None:
    session = begun(client())
    begin = head(f"/v1/sessions/{session}/messages", 1000)
    heard = spoken(port, begin, *[b" "] * 10, every=0.5)
    assert heard.startswith(b"HTTP/1.1 408") and b"more than 3 seconds" in heard
    assert client().get("/v1/sessions").status_code == 200


def test_a_slow_head(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "HEAD_SECONDS", 0.5)
    assert spoken(port, b"GET / HT", *[b"T"] * 8, every=0.2) == b"", "closed without an answer"
    whole = b"GET /v1/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert spoken(port, whole[:9], whole[9:], every=0.1).startswith(b"HTTP/1.1 401")


def test_a_stream_may_take_longer_than_an_upload(
    client: Client, gate: threading.Event, users: Users
) -> None:
    ann = client()
    session = begun(ann)
    gate.clear()
    threading.Timer(2.5 * FEW.upload_seconds, gate.set).start()
    assert '"reply"' in say(ann, session, "make her sad").text


def test_nobodys_upload_is_not_even_read(port: int) -> None:
    heard = spoken(port, head("/v1/sessions", 900_000, token="nobody"))
    assert heard.startswith(b"HTTP/1.1 401")


def test_what_is_refused_says_how_long_to_wait() -> None:
    assert Refused("Too much.", wait=0.2).wait == 1
    assert Refused("Too much.", wait=2.1).wait == 3


@pytest.mark.parametrize("given", ["0", "-3", "many"])
def test_limits_are_numbers_from_one(given: str, capsys: Any) -> None:
    from agent.serve.command import parser

    with pytest.raises(SystemExit, match="2"):
        parser("serve").parse_args(["--requests", given])
    assert "--requests" in capsys.readouterr().err
