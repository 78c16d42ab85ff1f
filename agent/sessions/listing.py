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
    edits: int
    used: float
    """When it was last saved, in seconds since 1970."""
    messages: tuple[str, ...]

    def line(self) -> str:
        """Return it as one line for a person."""
        count = f"{self.edits:>3} edit{'s' if self.edits != 1 else ' '}"
        when = datetime.fromtimestamp(self.used).strftime("%Y-%m-%d %H:%M")
        name = f"[{self.name}] " if self.name else ""
        line = f"{self.id}  {count}  {when}  "
        title = f"{name}{' · '.join(self.messages)}"
        return f"{line}{shorten(title, LONGEST_LINE - len(line), placeholder=' …')}".rstrip()

    @property
    def blank(self) -> bool:
        """Whether nothing was said in it, and nobody gave it a name."""
        return not self.messages and not self.name

    def row(self) -> dict[str, object]:
        """Return it as data for a program."""
        return {
            "session": self.id,
            "name": self.name,
            "edits": self.edits,
            "last_use": round(self.used, 3),
            "messages": list(self.messages),
        }


def left_out(count: int) -> list[str]:
    """Say that so many sessions are not in a list."""
    several = "s" * (count != 1)
    where = "are" if several else "is"
    said = f"{count} session{several} in which nothing was said {where} left out."
    return [said] if count else []
