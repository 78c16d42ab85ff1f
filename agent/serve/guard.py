"""What stands before the routes: whose request it is, where it comes from, how large and slow.

All of it is decided before a byte of the body is read, but for the size and time of the body
itself, which are watched while it comes.
"""

from __future__ import annotations

import asyncio
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

import h11
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.serve.limits import Limits, Refused
from agent.serve.users import Users

COOKIE = "palimpsest"
HEAD_SECONDS = 20.0  # that the head of a request may take
CLOSED = "/v1/"  # what needs a token begins so
MEGABYTE = 1 << 20
READING = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
}


class Guard:
    """Lets a request through to the application, or refuses it."""

    def __init__(self, app: ASGIApp, users: Users) -> None:
        """Stand before an application."""
        self._app, self._users = app, users

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def covered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            self._examine(scope)
        except HTTPException as error:
            await refusal(error)(scope, receive, covered)
        except Refused as error:
            await refusal(error)(scope, receive, covered)
        else:
            await self._app(scope, Body(receive, self._users.admission.limits), covered)

    def _examine(self, scope: Scope) -> None:
        """Refuse what can be told from the head of a request, and note whose it is.

        Raises:
            HTTPException: It comes from elsewhere, is too large, or nobody's.
            Refused: There were too many.
        """
        headers, admission = Headers(scope=scope), self._users.admission
        if scope["method"] not in READING and not is_ours(headers):
            raise HTTPException(403, "Requests from other pages are not taken.")
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > admission.limits.upload_mb * MEGABYTE:
            raise too_large(admission.limits)
        if not scope["path"].startswith(CLOSED):
            return
        name = self._users.named(token_in(headers))
        if name is None:
            admission.stranger(scope["client"][0] if scope.get("client") else "")
            raise HTTPException(401, "This needs a token; open the page with /?token=TOKEN.")
        admission.request(name)
        scope.setdefault("state", {})["person"] = name


class Body:
    """Receives the body of a request, as long as it is neither too large nor too slow."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        """Count from now."""
        self._receive, self._limits = receive, limits
        self._size, self._whole = 0, False
        self._end = time.monotonic() + limits.upload_seconds

    async def __call__(self) -> Message:
        """Receive a part of it.

        Raises:
            HTTPException: It is too large, or too slow.
        """
        if self._whole:  # what comes now is that the client leaves
            return await self._receive()
        try:
            async with asyncio.timeout(self._end - time.monotonic()):
                part = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408, f"The upload took more than {self._limits.upload_seconds} seconds."
            ) from None
        self._size += len(part.get("body", b""))
        self._whole = not part.get("more_body", False)
        if self._size > self._limits.upload_mb * MEGABYTE:
            raise too_large(self._limits)
        return part


def is_ours(headers: Headers) -> bool:
    """Say whether a request comes from our own page, or from no page at all.

    Browsers name the page that a request comes from; programs do not. The cookie is sent from our
    own page only (SameSite=Strict), so this is a second lock.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def token_in(headers: Headers) -> str:
    """Return the token of a request: that of its head, else that of its cookie; "" for none."""
    if bearer := headers.get("authorization", "").removeprefix("Bearer ").strip():
        return bearer
    try:
        kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return kept.value if kept else ""


def too_large(limits: Limits) -> HTTPException:
    """Return what is said of an upload that is too large."""
    return HTTPException(413, f"At most {limits.upload_mb} MB can be sent.")


def refusal(error: HTTPException | Refused) -> JSONResponse:
    """Tell an error in its own sentence, and when to come again."""
    if isinstance(error, Refused):
        wait = {"Retry-After": str(error.wait)}
        return JSONResponse({"error": str(error)}, error.status, wait)
    close = {"Connection": "close"} if error.status_code in (408, 413) else {}
    return JSONResponse({"error": error.detail}, error.status_code, close)


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it; closes a connection whose request does not begin in time.

    Else a client that sends a letter now and then would hold its connection for ever.
    """

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what was sent."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._rest()

    def _watch(self) -> None:
        """Run the clock while a head is not whole."""
        if self.conn.their_state is not h11.IDLE:
            self._rest()
        elif self._closing is None:
            self._closing = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _rest(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
