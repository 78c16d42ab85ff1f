"""One session as a list shows it, to a person or to a program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten

LONGEST_LINE = 120  # of a list


@dataclass(frozen=True)
class Session:
    """One session as it is listed."""

    id: str
    name: str
    edits: int = 0
    used: float = 0.0
    """When it was last saved, in seconds since 1970."""
    messages: tuple[str, ...] = ()
    damaged: bool = False
    """Whether it cannot be read; all but id and name is unknown then."""

    def line(self) -> str:
        """Return it as one line for a person."""
        if self.damaged:
            name = f" [{self.name}]" if self.name else ""
            return f"{self.id}{name}  is damaged; --resume {self.id} --fork goes on in a copy"
        count = f"{self.edits:>3} edit{'s' if self.edits != 1 else ' '}"
        when = datetime.fromtimestamp(self.used).strftime("%Y-%m-%d %H:%M")
        name = f"[{self.name}] " if self.name else ""
        line = f"{self.id}  {count}  {when}  "
        title = f"{name}{' · '.join(self.messages)}"
        return f"{line}{shorten(title, LONGEST_LINE - len(line), placeholder=' …')}".rstrip()

    @property
    def blank(self) -> bool:
        """Whether nothing was said in it, and nobody gave it a name."""
        return not (self.messages or self.name or self.damaged)

    def row(self) -> dict[str, object]:
        """Return it as data for a program."""
        return {
            "session": self.id,
            "name": self.name,
            "edits": self.edits,
            "last_use": round(self.used, 3),
            "messages": list(self.messages),
            "damaged": self.damaged,
        }


def left_out(count: int) -> list[str]:
    """Say that so many sessions are not in a list."""
    several = "s" * (count != 1)
    where = "are" if several else "is"
    said = f"{count} session{several} in which nothing was said {where} left out."
    return [said] if count else []
