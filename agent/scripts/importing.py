"""`palimpsest import`: the sessions of public multi-turn benchmarks as scripts.

Each layout becomes a folder of scripts, one a session, with its picture beside it. They expect
that every message makes one edit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from agent.exit_codes import DONE, UNREADABLE
from agent.scripts.loader import ScriptError, written, yaml
from agent.scripts.schema import SUFFIX
from editing_core import benchmark_layouts


@dataclass(frozen=True)
class Session:
    """One session of a benchmark."""

    name: str
    picture: Path
    caption: str
    """What the picture shows; empty where the benchmark does not say."""
    messages: tuple[str, ...]
    about: str = ""


def main(argv: Sequence[str]) -> int:
    """Run `palimpsest import` and return its exit code."""
    flags = _parser().parse_args(argv)
    try:
        sessions = list(LAYOUTS[flags.layout](flags.folder))
        for session in sessions:
            _write(session, flags.out)
    except (ScriptError, benchmark_layouts.LayoutError, OSError) as error:
        print(f"palimpsest: {error}", file=sys.stderr)
        return UNREADABLE
    print(f"{len(sessions)} scripts in {flags.out}")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest import", description="Make scripts of a multi-turn benchmark."
    )
    kinds = "mtc: the paper's YAML over PIE-Bench; mse: MSE-Bench; lme: LME-Bench"
    parser.add_argument("layout", choices=sorted(LAYOUTS), help=kinds)
    parser.add_argument("folder", type=Path, help="where the benchmark lies")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the scripts")
    return parser


def mtc(folder: Path) -> Iterator[Session]:
    """Read `MTC_prompts/<id>/<id>.yaml` of Multi-turn Consistent Image Editing.

    Its instructions are captions of the wanted picture, and are said as such.
    """
    for sequence in benchmark_layouts.mtc(folder):
        yield Session(
            name=sequence.name,
            picture=sequence.picture,
            caption=sequence.source_prompt,
            messages=tuple(f"make it {prompt}" for prompt in sequence.target_prompts),
            about="kinds: " + ", ".join(sequence.kinds),
        )


def mse(folder: Path) -> Iterator[Session]:
    """Read MSE-Bench as its viewer exports it: `metadata.jsonl` with index, context, file_name."""
    for row in _rows(folder / "metadata.jsonl"):
        with _named(folder / "metadata.jsonl"):
            name = str(row["index"])
            yield Session(
                name=name,
                picture=folder / row.get("file_name", f"{name}.jpg"),
                caption="",
                messages=tuple(row["context"]),
            )


def lme(folder: Path) -> Iterator[Session]:
    """Read LME-Bench: `lme_bench.json` with its items, and `images/<id>.png`."""
    file = folder / "lme_bench.json"
    try:
        held = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ScriptError(f"{file} is no JSON: {error}.") from None
    for item in held["items"]:
        with _named(file):
            yield Session(
                name=str(item["id"]),
                picture=folder / "images" / f"{item['id']}.png",
                caption=str(item["source_prompt"]),
                messages=tuple(item["turns"]),
                about=f"{item['category']}: {', '.join(item['labels'])}",
            )


LAYOUTS: dict[str, Callable[[Path], Iterator[Session]]] = {"mtc": mtc, "mse": mse, "lme": lme}


def _write(session: Session, folder: Path) -> None:
    """Write one session as a script, its picture beside it."""
    if not session.picture.is_file():
        raise ScriptError(f"The picture {session.picture} of session {session.name} is not there.")
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{session.name}{session.picture.suffix}"
    shutil.copyfile(session.picture, beside)
    script = CommentedMap(version=1, name=session.name)
    if session.about:
        script["about"] = session.about
    script["picture"] = beside.name
    if session.caption:
        script["caption"] = session.caption
    script["defaults"] = written({"model": "flux-dev", "llm": "replay"})
    script["turns"] = [
        CommentedMap(say=message, expect=written({"turns": number + 1}))
        for number, message in enumerate(session.messages, start=1)
    ]
    with (folder / f"{session.name}{SUFFIX}").open("w", encoding="utf-8") as out:
        yaml().dump(script, out)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ScriptError(f"{file}:{number}: this is no JSON: {error}.") from None


@contextlib.contextmanager
def _named(file: Path) -> Iterator[None]:
    """Say in which file something is missing."""
    try:
        yield
    except KeyError as error:
        raise ScriptError(f"{file} has no {error}.") from None
    except (TypeError, AttributeError) as error:
        raise ScriptError(f"{file} is not laid out as expected: {error}.") from None
