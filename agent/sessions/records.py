"""Turns and messages are stored once, by their hash; checkpoints hold references to them.

A session's state is saved after every node, and nearly all of it is turns and messages that were
saved before. What a turn costs in the file thus does not grow with the number of turns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agent import state

STORED = (
    state.Adjust, state.Ask, state.Check, state.Choices, state.Choose, state.Compare,
    state.Describe, state.EditStep, state.GoTo, state.Help, state.Message, state.Plan, state.Redo,
    state.Reshape, state.Retry, state.Revert, state.Rewind, state.Save, state.Show, state.Try,
    state.Turn, state.Undo, state.Usage,
)  # fmt: skip
"""The only types of ours that a checkpoint may hold."""
RECORDS = (state.Turn, state.Message)
REFERENCE = "palimpsest_record"
CHECKED = "sha256+"  # before the type of what begins with its digest
DIGEST = 32  # bytes
KNOWN = 4096  # records kept in memory


class Damaged(Exception):
    """Bytes are not those that were saved."""


def serializer() -> JsonPlusSerializer:
    """Return a serializer that revives our own types and nothing else."""
    return JsonPlusSerializer(allowed_msgpack_modules=STORED)


class RecordSerializer(SerializerProtocol):
    """Replaces turns and messages by references, and checks all bytes that come back.

    Attributes:
        pending: Records of what was serialized, by hash, which its saver has to store.
    """

    def __init__(self, inner: SerializerProtocol, stored: Callable[[str], bytes | None]) -> None:
        """Serialize by ``inner``; ``stored`` returns the record of a hash."""
        self._inner = inner
        self._stored = stored
        self._known: dict[int, tuple[Any, str, bytes]] = {}  # by id, so that each is hashed once
        self._revived: dict[str, Any] = {}
        self.pending: dict[str, bytes] = {}
        self._forgiving = False

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Serialize, with a digest in front."""
        kind, data = self._inner.dumps_typed(self._referring(obj))
        return CHECKED + kind, hashlib.sha256(data).digest() + data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Revive what was serialized, now or by an earlier version.

        Raises:
            Damaged: A byte has changed, or a record is missing.
        """
        kind, content = data
        if kind.startswith(CHECKED):
            kind, content = kind.removeprefix(CHECKED), self._checked(content)
        return self._resolved(self._inner.loads_typed((kind, content)))

    @contextmanager
    def forgiving(self) -> Iterator[None]:
        """Revive a record that is missing or damaged as None, where it is an error elsewhere."""
        self._forgiving = True
        try:
            yield
        finally:
            self._forgiving = False

    def _referring(self, obj: Any) -> Any:
        if isinstance(obj, RECORDS):
            return {REFERENCE: self._hash_of(obj)}
        if isinstance(obj, dict):
            return {key: self._referring(value) for key, value in obj.items()}
        if type(obj) in (list, tuple):
            return type(obj)(map(self._referring, obj))
        return obj

    def _hash_of(self, record: Any) -> str:
        known = self._known.get(id(record))
        if known is None or known[0] is not record:
            if len(self._known) >= KNOWN:
                self._known.clear()
            content = self._inner.dumps_typed(record)[1]
            known = (record, hashlib.sha256(content).hexdigest(), content)
            self._known[id(record)] = known
        self.pending[known[1]] = known[2]
        return known[1]

    def _resolved(self, obj: Any) -> Any:
        if isinstance(obj, dict):
            if obj.keys() == {REFERENCE}:
                return self._record(obj[REFERENCE])
            return {key: self._resolved(value) for key, value in obj.items()}
        if type(obj) in (list, tuple):
            return type(obj)(map(self._resolved, obj))
        return obj

    def _record(self, key: str) -> Any:
        if key in self._revived:
            return self._revived[key]
        content = self._stored(key)
        if content is None or hashlib.sha256(content).hexdigest() != key:
            if self._forgiving:
                return None
            raise Damaged(f"the record {key[:12]} is missing or damaged")
        if len(self._revived) >= KNOWN:
            self._revived.clear()
        record = self._revived[key] = self._inner.loads_typed(("msgpack", content))
        return record

    @staticmethod
    def _checked(content: bytes) -> bytes:
        digest, data = content[:DIGEST], content[DIGEST:]
        if hashlib.sha256(data).digest() != digest:
            raise Damaged("its bytes are not those that were saved")
        return data
