"""The /commands: every public method of `Commands` is one, and its docstring is its help."""

from __future__ import annotations

import difflib
import inspect
from pathlib import Path

from rich.console import Console
from rich.tree import Tree

from agent import history
from agent.graph import Chat
from agent.opening import export, file_name, open_file
from agent.play import DONE, play
from agent.screen import Screen
from agent.state import GoTo, Redo, Step, Turn, Undo
from tools.pictures import PictureStore


class CommandError(Exception):
    """A command was used wrongly; the message is one sentence for the person."""


class Leave(Exception):
    """The person wants to go."""


class Commands:
    """What can be typed after a slash."""

    def __init__(self, chat: Chat, screen: Screen, store: PictureStore) -> None:
        """Work on a chat and show results on a screen."""
        self.chat = chat
        self.screen = screen
        self.store = store

    def open(self, path: str) -> None:
        """Open a picture file as the new base; undo leads back."""
        event, notes = open_file(self.chat, self.store, Path(path))
        for note in notes:
            self.screen.note(note)
        self.screen.event(event)

    def undo(self, count: str = "1") -> int:
        """Take back the last message that changed something, or the last COUNT."""
        return self._move(Undo(messages=_count(count)))

    def redo(self, count: str = "1") -> int:
        """Take back the last undo, or the last COUNT."""
        return self._move(Redo(messages=_count(count)))

    def goto(self, turn: str) -> int:
        """Go to a turn: a number, @3, original, or words such as "before the hat"."""
        return self._move(GoTo(turn=self._turn(turn).id))

    def tree(self) -> None:
        """List all turns as a tree; an arrow marks where you are."""
        conversation = self.chat.conversation
        root = Tree("", hide_root=True)
        places: dict[int | None, Tree] = {None: root}
        for turn in conversation.turns:
            mark = "  ←" if turn.id == conversation.head else ""
            label = f"@{turn.id} {turn.request or turn.caption}{mark}"
            places[turn.id] = places[turn.parent].add(_plain(label))
        console = Console(color_system=None, soft_wrap=True)
        with console.capture() as captured:
            console.print(root)
        self.screen.say(captured.get().rstrip())

    def show(self, turn: str = "") -> None:
        """Show the picture here, or the one of a turn."""
        self.screen.picture(self._picture(turn))

    def save(self, path: str = "") -> None:
        """Copy the picture here to a file or folder; without a PATH, into this folder."""
        turn = self._turn("")
        name = file_name(turn.id, turn.request)
        target = export(self._picture(""), Path(path or "."), name=name)
        self.screen.say(f"Saved to {target}.")

    def why(self, turn: str = "") -> None:
        """Say how the picture here, or a turn's, was made: prompts, words, numbers, check."""
        self.screen.say("\n".join(f"{name:>13}  {value}" for name, value in self._recipe(turn)))

    def export(self, kind: str) -> None:
        """Write this session as a script that tests can run: script, or script PATH."""
        from agent.scripts.exporting import export_script

        kind, _, path = kind.partition(" ")
        if kind != "script":
            raise CommandError(f'Only a script can be exported ("/export script"), not "{kind}".')
        target = export_script(self.chat, self.store, Path(path.strip() or "session"))
        self.screen.say(f"Saved to {target}; palimpsest test {target.name} runs it.")

    def help(self, command: str = "") -> None:
        """List the commands, or explain one."""
        if command:
            name = resolve(command.lstrip("/"))
            self.screen.say(f"{usage(name)}  {_doc(name)}")
            return
        width = max(len(usage(name)) for name in names())
        lines = [f"  {usage(name):<{width}}  {_doc(name)}" for name in names()]
        say = 'Say what to change ("make her older, now add a hat"), or type a command:'
        self.screen.say("\n".join([say, *lines]))

    def quit(self) -> None:
        """Leave; everything is kept, and --resume goes on (Ctrl-D does the same)."""
        raise Leave

    def _move(self, step: Step) -> int:
        return play(self.chat, self.chat.move(step), self.screen)

    def _turn(self, phrase: str) -> Turn:
        conversation = self.chat.conversation
        if not conversation.turns:
            raise CommandError("There is no picture yet; /open PATH opens one.")
        phrase = phrase.strip()
        if not phrase:
            return conversation.turns[conversation.head]
        found = history.find(conversation, f"@{phrase}" if phrase.isdigit() else phrase)
        if found is None:
            raise CommandError(f'There is no turn "{phrase}"; /tree lists them.')
        return found

    def _picture(self, phrase: str) -> Path:
        picture = self._turn(phrase).picture
        if not picture or picture not in self.store:
            raise CommandError("That turn was only planned; it has no picture.")
        return self.store.path(picture)

    def _recipe(self, phrase: str) -> list[tuple[str, object]]:
        turn = self._turn(phrase)
        lines: list[tuple[str, object]] = [("turn", f"@{turn.id}"), ("caption", turn.caption)]
        if turn.step:
            lines += [
                ("from", f"@{turn.parent}"),
                ("request", turn.step.request or turn.request),
                ("change", turn.step.change),
                ("source prompt", turn.step.source_prompt),
                ("target prompt", turn.step.target_prompt),
                ("edit words", ", ".join(turn.step.edit_words) or "none"),
                ("method", f"{turn.method}, preset {turn.preset}, seed {turn.seed}"),
            ]
        if turn.report:
            lines += _making(turn)
        where = self.store.path(turn.picture) if turn.picture else "only planned"
        return [*lines, ("picture", where)]


def names() -> list[str]:
    """Return the names of all commands, in the order of the source."""
    return [name for name in vars(Commands) if not name.startswith("_")]


def resolve(word: str) -> str:
    """Return the command that a word or its unique beginning names.

    Raises:
        CommandError: None does, or several do.
    """
    word = word.lower()
    if word in names():
        return word
    fitting = [name for name in names() if word and name.startswith(word)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise CommandError(f"/{word} could be /{' or /'.join(fitting)}.")
    close = difflib.get_close_matches(word, names(), n=1)
    hint = f"did you mean /{close[0]}?" if close else "/help lists them."
    raise CommandError(f"There is no command /{word}; {hint}")


def run(commands: Commands, line: str) -> int:
    """Carry out one line that begins with a slash, and return its exit code.

    Raises:
        CommandError: It cannot be carried out.
        Leave: It asks to go.
    """
    word, _, rest = line.strip().lstrip("/").partition(" ")
    name = resolve(word)
    rest = rest.strip()
    parameters = list(_parameters(name))
    if rest and not parameters:
        raise CommandError(f"/{name} takes nothing after it.")
    if not rest and any(p.default is p.empty for p in parameters):
        raise CommandError(f"Use it as {usage(name)}.")
    return getattr(commands, name)(*([rest] if rest else [])) or DONE


def usage(name: str) -> str:
    """Return a command with its argument, such as ``/undo [COUNT]``."""
    shown = [
        p.name.upper() if p.default is p.empty else f"[{p.name.upper()}]" for p in _parameters(name)
    ]
    return " ".join([f"/{name}", *shown])


def _parameters(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(Commands, name)).parameters.values())[1:]


def _doc(name: str) -> str:
    return inspect.getdoc(getattr(Commands, name)) or ""


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise CommandError(f'A number from 1 is needed, not "{text}".')
    return int(text)


def _making(turn: Turn) -> list[tuple[str, object]]:
    """Say in words what an edit cost, which try was kept and what the check saw."""
    report, check = turn.report, turn.check
    tries, notches = int(report.get("tries", 1)), int(report.get("notches", 0))
    lines: list[tuple[str, object]] = [
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


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
