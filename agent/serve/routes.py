"""The routes of the interface, version 1: sessions, messages, pictures, downloads."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import Response, StreamingResponse
from PIL import Image
from pydantic import BaseModel, Field

from agent.choosing import choices_of, chosen_settings
from agent.options import EDIT_OPTIONS
from agent.serve.masks import region_of
from agent.serve.user_sessions import MODEL, EventData, UserSessions
from agent.serve.users import Users
from agent.sessions.catalog import new_id
from agent.state import Conversation, Step
from agent.terminal.file_io import export, file_name, open_file
from agent.terminal.run_message import LONGEST_COMMAND
from tools.arguments import InputError
from tools.inspection import sample_portrait
from tools.pictures import StoreError

MOST_PICTURES = 10  # of one upload
LONGEST_NAME = 60  # characters of an uploaded file's name, its end
_HASH = re.compile(r"[0-9a-f]{64}")
FOREVER = "private, max-age=31536000, immutable"  # a picture's hash never means another picture
WIDTHS = (160, 320, 640, 1280, 2560)  # of pictures that are made smaller

routes = APIRouter(prefix="/v1")


class Message(BaseModel):
    """What somebody says: a message, an answer or a /command; or one step of a plan instead."""

    text: str = Field(default="", max_length=LONGEST_COMMAND)
    step: Step | None = None
    chosen: dict[str, str | int] = {}
    """What is chosen with it: values of options such as the seed."""
    known_only: bool = False
    """Whether edits of pictures that the model cannot know are refused."""


def sessions_of(request: Request) -> UserSessions:
    """Return the conversations of whoever asks, whom the guard knows."""
    users: Users = request.app.state.users
    return users.user(request.state.person)


Mine = Annotated[UserSessions, Depends(sessions_of)]


def known(session: str, user: Mine) -> str:
    """Return the id of a session that there is.

    Raises:
        HTTPException: There is none.
    """
    if session not in user.sessions.ids():
        raise HTTPException(404, "There is no such session.")
    return session


Session = Annotated[str, Depends(known)]


@routes.get("/sessions")
def sessions(user: Mine) -> list[dict[str, Any]]:
    """List the sessions, the last used first."""
    return [session.row() for session in user.sessions.listed() if not session.blank]


@routes.post("/sessions", status_code=201)
def begin(
    user: Mine,
    pictures: Annotated[list[UploadFile] | None, File()] = None,
    caption: Annotated[str, Form()] = "",
    model: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """Begin a session with pictures, the first of which is the base, or with the sample."""
    session = new_id()
    with user.sessions.held(session):
        notes = opened(user, session, pictures or [], caption, model)
    return state_of(user, session) | {"notes": notes}


@routes.get("/models")
def models(user: Mine) -> dict[str, Any]:
    """List the models that a session may begin with, in OpenAI's form."""
    data = [{"id": model, "object": "model", "owned_by": "palimpsest"} for model in user.models]
    return {"object": "list", "data": data}


@routes.get("/sessions/{session}")
def look(user: Mine, session: Session) -> dict[str, Any]:
    """Tell all that a page shows of a session."""
    return state_of(user, session)


@routes.get("/sessions/{session}/conversation")
def conversation(user: Mine, session: Session) -> dict[str, Any]:
    """Tell all that is known of a session, for a program that shows it in its own way."""
    chat, working = user.chat(session), user.working(session)
    resting = user.opening_chat(session)
    own = user.studio_of(session).settings
    shared = {name: getattr(own, name) for name in ("model", *EDIT_OPTIONS)}
    return {
        "conversation": chat.conversation.model_dump(mode="json"),
        "question": None if working else resting.question,
        "unfinished": "" if working else resting.unfinished,
        "undone": () if working else resting.undone,
        "working": working,
        "settings": shared,
    }


@routes.delete("/sessions/{session}", status_code=204)
def delete(user: Mine, session: Session) -> None:
    """Delete a session; its pictures stay until the next prune."""
    user.sessions.delete(session)


@routes.post("/sessions/{session}/pictures", status_code=201)
def add(
    user: Mine,
    session: Session,
    pictures: Annotated[list[UploadFile], File()],
    caption: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """Open more pictures in a session; the first named becomes the base."""
    with user.sessions.held(session):
        notes = opened(user, session, pictures, caption)
    return state_of(user, session) | {"notes": notes}


@routes.post("/sessions/{session}/masks", status_code=201)
def add_mask(user: Mine, session: Session, mask: Annotated[UploadFile, File()]) -> dict[str, str]:
    """Take a mask of the picture where the session is; return the region that `/region` takes."""
    most = user.studio.settings.max_megapixels
    return {"region": region_of(user.sessions.store, mask.file.read(), max_megapixels=most)}


@routes.post("/sessions/{session}/messages")
def say(user: Mine, session: Session, message: Message) -> StreamingResponse:
    """Say something; what happens comes as server-sent events, as ``--json`` prints them."""
    chosen, known_only = choices_of(message.chosen), message.known_only
    if message.step is None:
        return live(user.say(session, message.text, chosen=chosen, known_only=known_only))
    return live(user.move(session, message.step, chosen=chosen, known_only=known_only))


@routes.post("/sessions/{session}/stop")
def stop(user: Mine, session: Session) -> dict[str, bool]:
    """Stop the message that is worked on, between two steps."""
    return {"stopping": user.stop(session)}


@routes.get("/pictures/{name}")
def picture(user: Mine, name: str, width: int | None = None) -> Response:
    """Return a picture as PNG, at most so many pixels wide."""
    store = user.sessions.store
    if not _HASH.fullmatch(name) or name not in store:
        raise HTTPException(404, "There is no such picture.")
    content = store.path(name).read_bytes() if width is None else shrunk(store.image(name), width)
    return Response(content, media_type="image/png", headers={"Cache-Control": FOREVER})


@routes.get("/pictures/{name}/own")
def own_pixels(user: Mine, name: str) -> Response:
    """Return a picture's own pixels, where it has more than 8-bit sRGB, as PNG."""
    return beside(user, name, ".own.png", "image/png")


@routes.get("/pictures/{name}/source")
def source(user: Mine, name: str) -> Response:
    """Return what is known of the file that a picture was opened from."""
    return beside(user, name, ".source.json", "application/json")


@routes.get("/sessions/{session}/turns/{turn}/file")
def download(user: Mine, session: Session, turn: int) -> Response:
    """Return a turn's picture at full size, in the format it was opened from."""
    turns = user.chat(session).conversation.turns
    if not 0 <= turn < len(turns) or turns[turn].picture not in user.sessions.store:
        raise HTTPException(404, "There is no such picture.")
    shown = turns[turn]
    name = file_name(shown.id, shown.request)
    with TemporaryDirectory() as folder:
        file = export(user.sessions.store.path(shown.picture), Path(folder), name=name)
        told = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
        return Response(file.read_bytes(), media_type="application/octet-stream", headers=told)


def beside(user: UserSessions, name: str, ending: str, kind: str) -> Response:
    """Return a file that lies beside a picture.

    Raises:
        HTTPException: There is none.
    """
    store = user.sessions.store
    if not _HASH.fullmatch(name) or name not in store:
        raise HTTPException(404, "There is no such picture.")
    file = store.path(name).with_suffix(ending)
    if not file.is_file():
        raise HTTPException(404, "There is no such file beside this picture.")
    return Response(file.read_bytes(), media_type=kind)


def live(happening: Iterator[EventData]) -> StreamingResponse:
    """Answer with what happens, while it happens."""
    return StreamingResponse(
        streamed(happening),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def streamed(happening: Iterator[EventData]) -> Iterator[str]:
    """Write events as server-sent ones."""
    for told in happening:
        yield f"event: {told['event']}\ndata: {json.dumps(told, ensure_ascii=False)}\n\n"


def opened(
    user: UserSessions, session: str, pictures: list[UploadFile], caption: str, model: str = ""
) -> list[str]:
    """Open uploaded pictures, the first last, and return what had to be done to them.

    Raises:
        InputError: One of them cannot be used, or there is no such model.
    """
    chat, store = user.opening_chat(session, model), user.sessions.store
    if not pictures:
        image, known = sample_portrait(chat.studio.settings.model)
        chat.open(store.put(image), caption or known)
        return []
    if len(pictures) > MOST_PICTURES:
        raise InputError(f"At most {MOST_PICTURES} pictures can be opened at once.")
    notes: list[str] = []
    for upload in reversed(pictures):
        with TemporaryDirectory() as folder:
            file = Path(folder) / uploaded_name(upload.filename or "")
            file.write_bytes(upload.file.read())
            try:
                notes += open_file(chat, store, file, caption or None)[1]
            except StoreError:
                raise
            except InputError as error:  # nobody knows our folder
                raise InputError(str(error).replace(f"{folder}/", "")) from None
    return notes


def uploaded_name(sent: str) -> str:
    """Return a file name as it was sent, without what could lead elsewhere or break a page."""
    name = re.sub(r"[^\w.,+() -]", "_", re.split(r"[/\\]", sent)[-1])
    return name.strip(". ")[-LONGEST_NAME:] or "picture"


def state_of(user: UserSessions, session: str) -> dict[str, Any]:
    """All that a page shows of a session; pictures by their hashes."""
    now = user.chat(session).conversation
    question = user.question(session)
    return {
        "session": session,
        "head": now.head,
        "size": size_of(user, now),
        "region": chosen_settings(now, user.studio).region,
        "model": now.chosen.made.get(MODEL, user.studio.settings.model),
        "working": user.working(session),
        "unfinished": user.unfinished(session),
        "question": question and question.model_dump(mode="json", exclude={"step"}),
        "turns": [
            {
                "turn": turn.id,
                "parent": turn.parent,
                "message": turn.message,
                "request": turn.request,
                "caption": turn.caption,
                "picture": turn.picture,
                "original": turn.original,
                "mask": turn.mask,
            }
            for turn in now.turns
        ],
        "messages": [
            {"id": message.id, "text": message.text, "reply": message.reply}
            for message in now.messages
            if not message.forgotten
        ],
    }


def size_of(user: UserSessions, now: Conversation) -> tuple[int, int] | None:
    """Width and height of the picture where the session is, in pixels; None if there is none."""
    store = user.sessions.store
    if not now.turns or now.turns[now.head].picture not in store:
        return None
    with Image.open(store.path(now.turns[now.head].picture)) as image:  # its header alone is read
        return image.size


def shrunk(image: Image.Image, width: int) -> bytes:
    """A picture as PNG, as wide as the next of WIDTHS, or as it is if that is less."""
    most = next((known for known in WIDTHS if known >= width), WIDTHS[-1])
    small = image.copy()
    small.thumbnail((most, 4 * most))
    held = io.BytesIO()
    small.save(held, "PNG")
    return held.getvalue()
