"""The application: who may come in, how errors are told, the page, and the routes.

Errors are ``{"error": SENTENCE}`` with the usual status. Everything but the page itself needs a
token, as ``Authorization: Bearer TOKEN`` or as the cookie that ``/?token=TOKEN`` leaves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from agent.serve.images_edits import door
from agent.serve.routes import COOKIE, routes
from agent.serve.user_sessions import Busy
from agent.serve.users import Users
from agent.sessions.catalog import InUse, SessionError
from agent.sessions.database import StorageError
from tools.arguments import InputError

PAGE = Path(__file__).parent / "page"
MEGABYTE = 1 << 20
REMEMBERED = 30 * 86400  # seconds that a browser keeps the token
POLICY = "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'"

STATUS: dict[type[Exception], int] = {
    Busy: 409,
    InUse: 409,
    InputError: 422,
    SessionError: 404,
    StorageError: 507,
}
"""The status of each of our errors; the sentence is its own."""


def create_app(users: Users, *, upload_mb: int) -> FastAPI:
    """Make the application.

    Args:
        users: Who may come in.
        upload_mb: The largest upload, in megabytes.
    """
    app = FastAPI(title="Palimpsest", docs_url=None, redoc_url=None)
    app.state.users = users
    app.include_router(routes)
    app.include_router(door)
    app.add_api_route("/", page, include_in_schema=False)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.add_exception_handler(HTTPException, told)
    app.add_exception_handler(RequestValidationError, told)
    for kind in STATUS:
        app.add_exception_handler(kind, told)

    @app.middleware("http")
    async def guarded(
        request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        size = request.headers.get("content-length", "0")
        if not size.isdigit() or int(size) > upload_mb * MEGABYTE:
            return JSONResponse({"error": f"At most {upload_mb} MB can be sent."}, 413)
        answer = await go_on(request)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    return app


def page(request: Request, token: str | None = None) -> Response:
    """Return the page; a token is put into a cookie, and out of the address."""
    if token is None:
        return FileResponse(PAGE / "index.html")
    answer = RedirectResponse("/", 303)
    users: Users = request.app.state.users
    if users.named(token) is not None:
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", max_age=REMEMBERED)
    return answer


async def told(_: Request, error: Exception) -> Response:
    """Tell an error in its own sentence."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][1:])) or "the body"
        return JSONResponse({"error": f"{where}: {first['msg']}."}, 422)
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return JSONResponse({"error": str(error)}, status)
