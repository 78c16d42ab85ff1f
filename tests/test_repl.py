"""The loop at the terminal, with a person who types from a list."""

import io
from functools import partial

import pytest
from perfect_editor import draw_the_target

from agent.graph import Chat, open_sessions
from agent.settings import AppSettings
from agent.studio import Studio
from agent.terminal import repl
from agent.terminal.commands import Commands
from agent.terminal.screen import TextScreen, wrapped
from tools.edit_picture import PRESETS
from tools.look import sample_portrait
from tools.pictures import PictureStore


class Typist:
    """A prompt session that types its lines, then Ctrl-D."""

    def __init__(self, *lines):
        self.lines = list(lines)

    def prompt(self, _mark, default=""):
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Return a function that types lines and returns the commands and all that was shown."""
    store = PictureStore(tmp_path / "pictures")
    edit = partial(draw_the_target, store)
    settings = AppSettings(home=tmp_path, offline=True)
    studio = Studio(settings=settings, edit=edit, pictures=store, presets=PRESETS, interactive=True)
    saver = open_sessions(tmp_path / "sessions.sqlite")
    chat = Chat(studio, saver, "test")
    image, caption = sample_portrait()
    chat.open(store.put(image), caption)
    commands = Commands(chat, TextScreen(out=io.StringIO()), store)

    def type_lines(*lines):
        monkeypatch.setattr(repl, "session_of", lambda *_: Typist(*lines))
        repl.talk(commands, tmp_path)
        captured = capsys.readouterr()
        return chat, commands.screen.out.getvalue() + captured.out + captured.err

    yield type_lines
    saver.conn.close()


def test_a_command_at_the_answer_prompt_runs_and_the_question_waits(typed):
    chat, said = typed("change her hair", "/tree", "/nonsense", "pink hair")
    assert "@0 a portrait" in said and said.count("The question still waits") == 2
    assert "There is no command /nonsense" in said
    assert "pink" in chat.conversation.turns[-1].caption


def test_a_move_at_the_answer_prompt_drops_the_question(typed):
    chat, said = typed("add a hat", "change her hair", "/undo")
    assert "The question was dropped" in said
    assert chat.conversation.head == 0 and chat.question is None


@pytest.mark.parametrize("answer", ["go on", "continue", "ok", "Sure!", "yes please", "", "1"])
def test_what_was_cut_off_is_finished(typed, monkeypatch, answer):
    chat, _ = _cut_off(typed, monkeypatch, answer)
    assert chat.conversation.head == 1 and not chat.unfinished


@pytest.mark.parametrize("answer", ["no", "blue", "/tree"])
def test_what_was_cut_off_is_left_and_said_so(typed, monkeypatch, answer):
    chat, said = _cut_off(typed, monkeypatch, answer)
    assert chat.conversation.head == 0 and "It was not finished" in said


def _cut_off(typed, monkeypatch, answer):
    from dataclasses import replace

    chat, _ = typed()
    whole = chat.studio

    def cut(**_request):
        raise KeyboardInterrupt

    chat.studio = replace(whole, edit=cut)
    typed("add a hat")
    assert chat.unfinished
    chat.studio = whole
    return typed(answer)


def test_long_lines_break_at_words_below_the_value():
    lines = wrapped("      caption  a portrait of a smiling young woman\nshort", 30).splitlines()
    assert lines[0] == "      caption  a portrait of a"
    assert lines[1] == "               smiling young"
    assert lines[-1] == "short"


@pytest.mark.parametrize("word", ["exit", "quit", "bye", "Quit?", "q", ":q", "close", " exit "])
def test_words_that_leave_programs_leave(typed, word):
    chat, _ = typed(word, "add a hat")
    assert len(chat.conversation.turns) == 1 and not chat.conversation.messages


@pytest.mark.parametrize("line", ["close her mouth", "bye bye hat", "exit the room", "quite old"])
def test_other_lines_with_such_words_are_messages(typed, line):
    chat, _ = typed(line, "never mind")
    assert chat.conversation.messages[0].text == line


def test_leaving_at_the_answer_prompt_keeps_the_question(typed):
    chat, _ = typed("change her hair", "exit", "add a hat")
    assert len(chat.conversation.turns) == 1 and chat.question is not None


def test_a_piped_line_leaves(typed, tmp_path):
    chat, _ = typed()
    commands = Commands(chat, TextScreen(out=io.StringIO()), PictureStore(tmp_path / "pictures"))
    assert repl.read_lines(commands, ["help", "quit", "add a hat"]) == 0
    assert len(chat.conversation.turns) == 1 and len(chat.conversation.messages) == 1


def test_never_mind_at_the_answer_prompt_undoes_nothing(typed):
    chat, said = typed("add a hat", "change her hair", "nevermind")
    assert chat.conversation.head == 1 and chat.question is None
    assert "The question is dropped; nothing was changed." in said
