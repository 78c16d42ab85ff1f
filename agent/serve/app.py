"""The application: how errors are told, the page, and the routes behind the guard.

Errors are ``{"error": SENTENCE}`` with the usual status. Everything but the page itself needs a
token, as ``Authorization: Bearer TOKEN`` or as the cookie that ``/?token=TOKEN`` leaves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from agent.serve.guard import COOKIE, Guard, refusal
from agent.serve.images_edits import door
from agent.serve.limits import Refused
from agent.serve.routes import routes
from agent.serve.sentences import hiding
from agent.serve.user_sessions import Busy
from agent.serve.users import Users
from agent.sessions.catalog import InUse, SessionError
from agent.sessions.store import StorageError
from agent.terminal.crash_guard import sentence
from tools.arguments import InputError
from tools.pictures import StoreError

PAGE = Path(__file__).parent / "page"
SWAGGER_UI = str(files("fastapi_offline") / "static")
REMEMBERED = 30 * 86400  # seconds that a browser keeps the token

STATUS: dict[type[Exception], int] = {
    Busy: 409,
    InUse: 409,
    InputError: 422,
    SessionError: 404,
    StorageError: 507,
    StoreError: 507,
}
"""The status of each of our errors; the sentence is its own."""


def create_app(users: Users) -> FastAPI:
    """Make the application for those who may come in."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # a message that is listened to holds a thread, beside those that answer short requests
        current_default_thread_limiter().total_tokens += users.admission.limits.waiting_in_all
        yield

    app = FastAPI(title="Palimpsest", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.users = users
    app.include_router(routes)
    app.include_router(door)
    app.add_api_route("/", page, include_in_schema=False)
    app.add_api_route("/docs", api_page, include_in_schema=False)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.mount("/swagger-ui", StaticFiles(directory=SWAGGER_UI), name="swagger-ui")
    app.add_exception_handler(HTTPException, told)
    app.add_exception_handler(RequestValidationError, told)
    for kind in (*STATUS, Refused):
        app.add_exception_handler(kind, told)
    app.add_exception_handler(Exception, broken)
    app.add_middleware(Guard, users=users)
    return app


def page(request: Request, token: str | None = None) -> Response:
    """Return the page; a token is put into a cookie, and out of the address."""
    if token is None:
        return FileResponse(PAGE / "index.html")
    users: Users = request.app.state.users
    if users.named(token) is None:
        users.admission.stranger(request.client.host if request.client else "")
        return RedirectResponse("/", 303)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", max_age=REMEMBERED,
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


def api_page() -> Response:
    """Return the page of the interface: Swagger UI, from this server alone."""
    return FileResponse(PAGE / "docs.html")


async def told(request: Request, error: Exception) -> Response:
    """Tell an error in its own sentence."""
    if isinstance(error, HTTPException | Refused):
        return refusal(error)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][1:])) or "the body"
        return JSONResponse({"error": f"{where}: {first['msg']}."}, 422)
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    users: Users = request.app.state.users
    return JSONResponse({"error": hiding(str(error), users.homes.folder)}, status)


async def broken(request: Request, error: Exception) -> Response:
    """Tell that something broke inside, and log it."""
    users: Users = request.app.state.users
    said = hiding(sentence(error, users.homes.folder), users.homes.folder)
    return JSONResponse({"error": said}, 500)
