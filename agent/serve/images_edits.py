"""A second door, in the form of OpenAI's image edits, so that programs written for it work here.

One call is one session: the first picture is opened, the prompt is said, and the picture where it
leads is returned. Nobody can be asked, so a question takes its default.
"""

from __future__ import annotations

import base64
import time
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import JSONResponse

from agent.choosing import choices_of
from agent.serve.masks import region_of
from agent.serve.routes import Mine, opened
from agent.serve.sentences import hiding
from agent.serve.user_sessions import UserSessions
from agent.sessions.catalog import new_id
from tools.arguments import InputError

door = APIRouter(prefix="/v1/images")


@door.post("/edits", response_model=None)
def edits(
    user: Mine,
    prompt: Annotated[str, Form()] = "",
    image: Annotated[list[UploadFile] | None, File()] = None,
    images: Annotated[list[UploadFile] | None, File(alias="image[]")] = None,
    mask: Annotated[UploadFile | None, File()] = None,
    n: Annotated[int, Form()] = 1,
    model: Annotated[str, Form()] = "",
) -> dict[str, Any] | JSONResponse:
    """Edit a picture as a prompt says, where a mask is transparent; return PNG in base64.

    A model that is not ours, which a program may name out of habit, means the usual one.
    """
    if n != 1:
        return _refused("One picture can be made at a time; leave n out.")
    if not (pictures := image or images):
        return _refused("There is no image.")
    try:
        made = _edited(user, pictures, prompt, mask, model if model in user.models else "")
    except InputError as error:
        return _refused(hiding(str(error), user.sessions.home))
    return {"created": int(time.time()), "data": [{"b64_json": base64.b64encode(made).decode()}]}


def _edited(
    user: UserSessions,
    pictures: list[UploadFile],
    prompt: str,
    mask: UploadFile | None,
    model: str,
) -> bytes:
    session = new_id()
    chosen: dict[str, str] = {}
    if mask is not None:
        chosen["region"] = region_of(user.sessions.store, mask.file.read())
    with user.sessions.held(session):
        opened(user, session, pictures, "", model)
    told = list(user.say(session, prompt, interactive=False, chosen=choices_of(chosen)))
    now = user.chat(session).conversation
    failed = [each["error"] for each in told if each["event"] == "turn.failed"]
    if failed or not any(turn.step for turn in now.turns):
        replies = [each["text"] for each in told if each["event"] == "reply"]
        raise InputError((failed or replies or ["Nothing was changed."])[-1])
    return user.sessions.store.path(now.turns[now.head].picture).read_bytes()


def _refused(sentence: str) -> JSONResponse:
    error = {"message": sentence, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": error}, 400)
