"""`palimpsest web` and `palimpsest serve`: the page for a person, the interface for many."""

from __future__ import annotations

import argparse
import secrets
import socket
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from threading import Timer

from agent.bootstrap import LoadedLater, Refusal, adjust_in, settings_of, studio_of
from agent.context import ChatContext
from agent.exit_codes import DONE, MISSING, UNREADABLE
from agent.options import declared
from agent.serve.limits import Admission, Limits
from agent.sessions.homes import homes_at
from agent.sessions.store import StorageError
from agent.settings import AppSettings
from editing_core.errors import ModelMissing
from editing_core.models.checkpoints import find
from tools.arguments import InputError
from tools.pictures import PictureStore

HERE = ("127.0.0.1", "localhost", "::1")
PORT = 7860
CONNECTIONS = 1000  # at a time; others are told to come again
FLAGS = ("model", "device", "memory", "method", "preset", "llm_url", "llm_model", "offline", "home")
SAID = {
    "web": "Chat in your browser, on this machine.",
    "serve": "Let several people chat in their browsers, and programs over HTTP.",
    "mcp": "Be tools for an assistant (Model Context Protocol over standard input and output).",
}


def parser(name: str, *, network: bool = True) -> argparse.ArgumentParser:
    """Make the command line of `web`, `serve` or `mcp`."""
    made = argparse.ArgumentParser(prog=f"palimpsest {name}", description=SAID[name])
    if network:
        made.add_argument("--host", default=HERE[0], help=f"where to listen (default: {HERE[0]})")
        made.add_argument("--port", type=_port, default=PORT, help=f"the port (default: {PORT})")
        made.add_argument(
            "--tokens", type=Path, metavar="FILE", help="who may come in: lines of TOKEN NAME"
        )
        made.add_argument(
            "--models", default="", metavar="NAMES",
            help="models that sessions may begin with beside --model, with commas between",
        )  # fmt: skip
        for limit in fields(Limits):
            made.add_argument(
                f"--{limit.name.replace('_', '-')}",
                type=_positive,
                default=limit.default,
                metavar="N",
                help=f"{limit.metadata['help']} (default: {limit.default})",
            )
    if name == "serve":
        _add_scaling(made.add_argument_group("on many machines, by Ray Serve"))
    made.add_argument("--config", type=Path, metavar="FILE", help="a config.toml")
    for option in FLAGS:
        known = declared()[option]
        how = {"action": "store_const", "const": True} if known.option.flag is True else {
            "metavar": known.option.metavar}  # fmt: skip
        made.add_argument(f"--{option.replace('_', '-')}", help=known.option.help, **how)
    return made


def _add_scaling(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--ray", action="store_true", help="serve on the Ray cluster that is there")
    group.add_argument("--editors", default="1", metavar="N", help="models, such as 2 or 1-8")
    group.add_argument("--conversations", default="1", metavar="N", help="replicas that answer")
    group.add_argument(
        "--held", default="1", metavar="N", help="models that one keeps (default: 1)"
    )
    group.add_argument(
        "--together", default="1", metavar="N", help="edits that one makes in a batch (default: 1)"
    )
    group.add_argument("--gpus", default="0", metavar="N", help="GPUs of each model (default: 0)")


def serve(words: Sequence[str]) -> int:
    """Serve the interface and the page until Ctrl-C."""
    flags = parser("serve").parse_args(words)
    return _serve_on_ray(flags) if flags.ray else _run(flags, show=False)


def web(words: Sequence[str]) -> int:
    """Serve them and open the page in the browser."""
    return _run(parser("web").parse_args(words), show=True)


def _serve_on_ray(flags: argparse.Namespace) -> int:
    try:
        from agent.serve.ray import serve_on_ray
    except ModuleNotFoundError as error:
        return refuse(
            f"This needs the extra ray (no module {error.name}): pip install 'palimpsest[ray]'.",
            MISSING,
        )
    if flags.tokens is None:
        return refuse("On many machines it needs --tokens FILE.", UNREADABLE)
    names = (
        "tokens",
        "editors",
        "conversations",
        "gpus",
        "models",
        "held",
        "together",
        *(f.name for f in fields(Limits)),
    )
    given = {name: getattr(flags, name) for name in (*names, *FLAGS)}
    told = {name: str(value) for name, value in given.items() if value is not None}
    try:
        serve_on_ray(told, host=flags.host, port=flags.port)
    except (InputError, StorageError) as error:
        return refuse(str(error), UNREADABLE)
    except Refusal as refusal:
        return refuse(str(refusal), refusal.code)
    return DONE


def _run(flags: argparse.Namespace, *, show: bool) -> int:
    try:
        import uvicorn

        from agent.serve.app import create_app
        from agent.serve.guard import ImpatientProtocol
        from agent.serve.users import Users, names_in, tokens_in
    except ModuleNotFoundError as error:
        return refuse(
            f"This needs the extra web (no module {error.name}): pip install 'palimpsest[web]'.",
            MISSING,
        )
    if flags.tokens is None and flags.host not in HERE:
        return refuse("Others can come in at that address, so it needs --tokens FILE.", UNREADABLE)
    if reason := _taken(flags.host, flags.port):
        return refuse(f"Nothing can listen at port {flags.port}: {reason}; try --port.", UNREADABLE)
    token = secrets.token_urlsafe(24)
    try:
        tokens = {token: ""} if flags.tokens is None else tokens_in(flags.tokens)
        settings = settings_of(flags.config, **{option: getattr(flags, option) for option in FLAGS})
        homes = homes_at(settings.home, settings.database, settings.pictures)
        studio = studio_of(settings, person=True, note=note)
        others = {name: partial(over, other(settings, name)) for name in names_in(flags.models)}
    except StorageError as error:
        return refuse(str(error), MISSING)
    except InputError as error:
        return refuse(str(error), UNREADABLE)
    except Refusal as refusal:
        return refuse(str(refusal), refusal.code)

    studio.warm_up()
    limits = Limits(**{limit.name: getattr(flags, limit.name) for limit in fields(Limits)})
    users = Users(tokens, homes, partial(over, studio), admission=Admission(limits), others=others)
    address = f"http://{flags.host}:{flags.port}/"
    if flags.tokens is None:
        address += f"?token={token}"
    note(f"Open {address}  (Ctrl-C ends it; everything is kept)")
    if show:
        Timer(1, webbrowser.open, [address]).start()
    try:
        uvicorn.run(
            create_app(users), host=flags.host, port=flags.port, log_level="warning",
            http=ImpatientProtocol, limit_concurrency=CONNECTIONS,
        )  # fmt: skip
    finally:
        users.close()
    return DONE


def other(settings: AppSettings, model: str) -> ChatContext:
    """Return what conversations with another model work with; it is loaded at its first edit.

    Raises:
        Refusal: There is no such model, or it cannot edit.
    """
    try:
        find(model)
    except ModelMissing as error:
        raise Refusal(str(error), MISSING) from None
    own = settings.model_copy(update={"model": model})
    return studio_of(own, person=True, looking=True, note=lambda told: None)


def over(studio: ChatContext, store: PictureStore, _: str) -> ChatContext:
    """Return what conversations work with, over the pictures of one person."""
    edit = studio.edit
    own = edit.storing_in(store) if isinstance(edit, LoadedLater) else edit
    adjust = studio.adjust and adjust_in(store)
    return replace(studio, pictures=store, edit=own, adjust=adjust)


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a limit is a number from 1")
    return number


def _taken(host: str, port: int) -> str:
    """Say why nothing can listen there; "" if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


def note(text: str) -> None:
    """Tell the person something beside what is served."""
    print(text, file=sys.stderr, flush=True)


def refuse(sentence: str, code: int) -> int:
    """Say why nothing is served, and return the exit code."""
    print(f"palimpsest: {sentence}", file=sys.stderr)
    return code
