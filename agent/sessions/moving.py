"""`palimpsest move-sessions FROM TO`: sessions and pictures from one place to another.

Each session is held while it is copied, then read back and compared, and only then deleted where it
was. What was moved before is left alone, so a move that was cut off is begun again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from langgraph.checkpoint.base import CheckpointTuple

from agent.bootstrap import Refusal, settings_of
from agent.exit_codes import DONE, FAILED, MISSING, UNREADABLE
from agent.sessions.catalog import SessionError, Sessions
from agent.sessions.homes import SCHEMES, Homes, homes_at
from agent.sessions.store import SessionStore, StorageError, hashes_in
from agent.state import Conversation
from tools.arguments import InputError
from tools.pictures import PictureStore


def main(words: Sequence[str]) -> int:
    """Move, say what was moved, and return the exit code."""
    flags = _parser().parse_args(words)
    try:
        settings = settings_of(flags.config)
        pictures = settings.pictures if flags.pictures is None else flags.pictures
        source, target = (
            _homes(each, settings.home, pictures) for each in (flags.source, flags.to)
        )
    except (InputError, Refusal) as error:
        return _refuse(str(error), UNREADABLE)
    except StorageError as error:
        return _refuse(str(error), MISSING)
    try:
        left = _move_all(source, target, keep=flags.keep)
    except (InputError, StorageError) as error:
        return _refuse(f"{error} What was moved before is there; begin again to go on.", MISSING)
    finally:
        source.close()
        target.close()
    return FAILED if left else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest move-sessions",
        description="Move the sessions and pictures of everybody from one place to another.",
        epilog="A place is a home folder, or postgresql://USER@HOST/NAME.",
    )
    parser.add_argument("source", metavar="FROM")
    parser.add_argument("to", metavar="TO")
    parser.add_argument(
        "--pictures",
        metavar="PLACE",
        help="where the pictures of a database are: a folder or s3://BUCKET/FOLDER "
        "(default: the setting pictures, else the home)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the sessions where they were, too"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a config.toml")
    return parser


def _homes(place: str, home: Path, pictures: str) -> Homes:
    if place.startswith(SCHEMES):
        return homes_at(home, place, pictures)
    folder = Path(place).expanduser()
    if folder.is_file() or "://" in place:
        raise InputError(f"{place} is neither a folder nor postgresql://USER@HOST/NAME.")
    return homes_at(folder)


def _move_all(source: Homes, target: Homes, *, keep: bool) -> int:
    """Move the sessions of everybody; return how many had to stay."""
    moved = left = 0
    for person in source.people():
        with source.open(person) as old, target.open(person) as new:
            names = old.names()
            for session in reversed(old.ids()):  # the last used comes last there, too
                try:
                    with old.held(session), new.held(session):
                        _move(old, new, session, names.get(session, ""))
                    if not keep:
                        old.delete(session)
                except SessionError as error:
                    left += 1
                    print(f"palimpsest: {session} stays: {error}", file=sys.stderr)
                else:
                    moved += 1
    print(f"{moved} session{'s' * (moved != 1)} moved{f', {left} left' if left else ''}.")
    return left


def _move(old: Sessions, new: Sessions, session: str, name: str) -> None:
    """Copy one session with its pictures, and compare.

    Raises:
        SessionError: It cannot be read, or another is there under its id.
    """
    saved = _read(old.saver, session)
    if saved is None:
        raise SessionError("it cannot be read; resume it with --fork first.")
    there = _read(new.saver, session)
    if there is not None and _conversation(there) != _conversation(saved):
        raise SessionError("another session has its id there.")
    _copy_pictures(old.store, new.store, _pictures_of(saved))
    if there is None:
        _write(new.saver, saved)
        there = _read(new.saver, session)
        if there is None or _conversation(there) != _conversation(saved):
            raise SessionError("what was written there is not what was read here.")
    if name and not new.saver.rename(session, name):
        print(f"palimpsest: another session there is called {name}.", file=sys.stderr)


def _write(store: SessionStore, saved: CheckpointTuple) -> None:
    """Write a checkpoint, and what waits for the next one."""
    place = saved.config["configurable"]
    checkpoint = saved.checkpoint
    first = {"thread_id": place["thread_id"], "checkpoint_ns": place["checkpoint_ns"]}
    versions = checkpoint["channel_versions"]
    written = store.put({"configurable": first}, checkpoint, saved.metadata, versions)
    waiting = saved.pending_writes or []
    for task, writes in groupby(waiting, key=lambda write: write[0]):
        store.put_writes(written, [(channel, value) for _, channel, value in writes], task)


def _read(store: SessionStore, session: str) -> CheckpointTuple | None:
    try:
        return store.get_tuple({"configurable": {"thread_id": session, "checkpoint_ns": ""}})
    except StorageError:
        return None


def _conversation(saved: CheckpointTuple) -> tuple[Conversation, list[tuple[str, str, object]]]:
    """Return all that a session is: its state, and what waits."""
    values = Conversation.fields_in(saved.checkpoint["channel_values"])
    return Conversation(**values), list(saved.pending_writes or [])


def _pictures_of(saved: CheckpointTuple) -> set[str]:
    """Return every hash that a conversation names."""
    conversation, waiting = _conversation(saved)
    return hashes_in(f"{conversation.model_dump_json()} {waiting}".encode())


def _copy_pictures(old: PictureStore, new: PictureStore, names: set[str]) -> None:
    """Copy those that are not there, with their latents, recipes, own pixels and sources."""
    for name in names:
        if name in old and name not in new:
            new.take(old, name)


def _refuse(sentence: str, code: int) -> int:
    print(f"palimpsest: {sentence}", file=sys.stderr)
    return code
