"""The /commands that show and explain."""

from __future__ import annotations

from agent.state import Turn
from agent.terminal.commands.desk import Desk

Line = tuple[str, object]


class Looking(Desk):
    """Show and explain."""

    title = "Looking"

    def show(self, turn: str = "") -> None:
        """Show the picture here, or the one of a turn."""
        self.screen.picture(self._picture(self._turn(turn)))

    def why(self, turn: str = "") -> None:
        """Say how the picture here, or a turn's, was made: prompts, words, numbers, check."""
        made = self._turn(turn)
        where = self.store.path(made.picture) if made.picture else "only planned"
        lines: list[Line] = [
            ("turn", f"@{made.id}"),
            ("caption", made.caption),
            *_asked(made),
            *_making(made),
            ("picture", where),
        ]
        self.screen.say("\n".join(f"{name:>13}  {value}" for name, value in lines))


def _asked(turn: Turn) -> list[Line]:
    """Say what was asked for and by which numbers."""
    if turn.step is None:
        return []
    return [
        ("from", f"@{turn.parent}"),
        ("request", turn.step.request or turn.request),
        ("change", turn.step.change),
        ("source prompt", turn.step.source_prompt),
        ("target prompt", turn.step.target_prompt),
        ("edit words", ", ".join(turn.step.edit_words) or "none"),
        ("method", f"{turn.method}, preset {turn.preset}, seed {turn.seed}"),
    ]


def _making(turn: Turn) -> list[Line]:
    """Say what an edit cost, which try was kept and what the check saw."""
    report, check = turn.report, turn.check
    if not report:
        return []
    tries, notches = int(report.get("tries", 1)), int(report.get("notches", 0))
    lines: list[Line] = [
        ("work", f"{report.get('seconds', 0):.1f} s, {int(report.get('forwards', 0))} model calls")
    ]
    if check is not None:
        lines.append(("tries", f"{tries}, kept: {check.rung}" if tries > 1 else "1"))
        seen = "yes" if check.edit_score == 1.0 else "in part" if check.edit_score else "no"
        rest = f"rest kept {check.kept:.0%}".replace("%", " %")
        alike = f"{check.outside_ssim:.2f} alike outside the change"
        lines.append(("check", f"change seen: {seen}; {rest}; {alike}"))
    if notches:
        word = "stronger" if notches > 0 else "weaker"
        lines.append(("strength", f"{abs(notches)} x {word} than the preset"))
    return lines
