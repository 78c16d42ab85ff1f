"""Many conversations: run one after the other or side by side, each to a result."""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, ImageChops

from agent.scripts.assertions import Checked, Missed, check, check_end
from agent.scripts.loader import Case, ScriptError
from agent.scripts.runner import Happened, Stage, play, staged

OTHER_SEEDS = 1000  # between the seeds of one repeat and the next


@dataclass(frozen=True)
class Pictures:
    """PNGs of a turn that missed something: before, after, and where they differ."""

    before: bytes
    after: bytes
    difference: bytes
    mask: bytes | None = None


@dataclass(frozen=True)
class Told:
    """One line of a conversation, as it went."""

    said: str
    number: int
    """Line of the file."""
    file: Path
    missed: tuple[Missed, ...]
    measured: Mapping[str, float] = field(default_factory=dict)
    reply: str = ""
    seconds: float = 0.0
    pictures: Pictures | None = None


@dataclass(frozen=True)
class Result:
    """How one conversation went."""

    name: str
    file: Path
    seed: int
    told: tuple[Told, ...] = ()
    broken: str = ""
    """Why it could not be run to its end."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all that was expected came."""
        return not self.broken and not any(line.missed for line in self.told)

    @property
    def missed(self) -> list[Missed]:
        """All that was expected and did not come."""
        return [missed for line in self.told for missed in line.missed]


@dataclass(frozen=True)
class How:
    """How conversations are run."""

    llm: str | None = None
    """"live", "record" or "replay" in place of what the scripts say."""
    go_on: bool = False
    """Whether to go on after a turn that missed something."""


def run(case: Case, how: How = How()) -> Result:  # noqa: B008  (frozen)
    """Run one conversation."""
    started = time.perf_counter()
    told: list[Told] = []
    broken = ""
    try:
        with staged(case, how.llm) as stage:
            for line in _tell(stage):
                told.append(line)
                if line.missed and not how.go_on:
                    break
    except ScriptError as error:
        broken = str(error)
    except Exception as error:
        broken = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return Result(case.name, case.file, case.defaults.seed, tuple(told), broken, seconds)


def run_all(cases: Sequence[Case], how: How, workers: int = 1) -> Iterator[Result]:
    """Run conversations, in order; with several workers side by side."""
    if workers == 1:
        yield from (run(case, how) for case in cases)
        return
    fresh = multiprocessing.get_context("spawn")  # forks of a process that uses torch may hang
    with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
        yield from pool.map(run, cases, [how] * len(cases))


def repeated(case: Case, times: int) -> list[Case]:
    """The same conversation with other seeds; the first is its own."""
    return [
        replace(case, defaults=case.defaults.model_copy(update={"seed": seed}))
        for seed in range(case.defaults.seed, case.defaults.seed + times * OTHER_SEEDS, OTHER_SEEDS)
    ]


def _tell(stage: Stage) -> Iterator[Told]:
    last = None
    for happened in play(stage):
        last = happened
        checked = check(happened, stage)
        if happened.line is not None or checked.missed:
            yield _told(happened, checked, stage)
    assert last is not None
    if last.after.turns:
        checked = check_end(last, stage)
        if checked.missed or checked.measured:
            yield _told(replace(last, line=None), checked, stage)


def _told(happened: Happened, checked: Checked, stage: Stage) -> Told:
    line, file = happened.line, stage.case.file
    return Told(
        said=line.said.say if line else "",
        number=line.number if line else 1,
        file=line.file if line else file,
        missed=checked.missed,
        measured=checked.measured,
        reply=" ".join([*happened.said, *happened.complaints]),
        seconds=happened.seconds,
        pictures=_pictures(happened, stage) if checked.missed else None,
    )


def _pictures(happened: Happened, stage: Stage) -> Pictures | None:
    """The picture at the head, its parent's, and where they differ."""
    if not happened.after.turns:
        return None
    head = happened.after.turns[happened.after.head]
    if not head.picture:
        return None
    after = stage.image(head.id)
    before = stage.image(head.id if head.parent is None else head.parent)
    return Pictures(
        before=_png(before),
        after=_png(after),
        difference=_png(ImageChops.difference(before, after)),
        mask=_png(stage.store.image(head.mask)) if head.mask else None,
    )


def _png(image: Image.Image) -> bytes:
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()
