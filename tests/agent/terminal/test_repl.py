"""The loop at the terminal, with a person who types from a list."""

import io
import re
import sys
from dataclasses import replace
from functools import partial

import pytest
from perfect_chat import begin, desk_of
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from agent.chat import Chat
from agent.sessions.catalog import Sessions, open_home
from agent.state import Ask
from agent.terminal import repl
from agent.terminal.commands import CommandError, Commands, run
from agent.terminal.prompt import Words, toolbar
from agent.terminal.screen import TextScreen, wrapped
from tools.inspection import sample_portrait


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
    with open_home(tmp_path) as sessions:
        chat = begin(sessions, "test")
        chat.studio = replace(chat.studio, interactive=True)
        commands = desk_of(chat)

        def type_lines(*lines):
            monkeypatch.setattr(repl, "session_of", lambda *_: Typist(*lines))
            repl.talk(commands, tmp_path)
            captured = capsys.readouterr()
            return chat, commands.screen.out.getvalue() + captured.out + captured.err

        yield type_lines


def test_a_command_at_the_answer_prompt_runs_and_the_question_waits(typed):
    chat, said = typed("change her hair", "/tree", "/nonsense", "pink hair")
    assert "@0 a portrait" in said and said.count("The question still waits") == 2
    assert "There is no command /nonsense" in said
    assert "pink" in chat.conversation.turns[-1].caption


def test_a_path_that_leads_nowhere_is_no_command(typed):
    _, said = typed("/nope/me.png", "~/nope.jpg")
    assert "There is no file /nope/me.png." in said and "/nope.jpg." in said
    assert "There is no command" not in said


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


@pytest.mark.parametrize("line", ["go on", "Continue!"])
def test_ctrl_c_says_what_is_not_done_and_go_on_does_it(typed, monkeypatch, line):
    chat, said = _stopped_in_the_second(typed, "make her older, add a hat, make her sad")
    assert "you are at @1; not done:" in said and '"add a hat", "make her sad"' in said
    assert 'Say "go on" to finish it.' in " ".join(said.split()) and chat.conversation.head == 1
    monkeypatch.setattr(repl, "_take_up", lambda *_: None)  # as in the same loop
    chat, said = typed(line)
    assert chat.conversation.head == 3 and not chat.unfinished
    assert [m.text for m in chat.conversation.messages] == [
        "make her older, add a hat, make her sad"
    ]


def test_go_on_with_nothing_to_finish_says_so(typed):
    chat, said = typed("add a hat", "go on")
    assert "Nothing was cut off" in said and len(chat.conversation.messages) == 1


def test_a_message_that_was_not_even_read_is_not_done(typed, monkeypatch):
    typed("add a hat, make her sad")
    monkeypatch.setattr("agent.nodes._read", _interrupt)
    chat, said = typed("give her glasses")
    assert 'not done: "give her glasses"' in said


def _interrupt(*_args, **_named):
    raise KeyboardInterrupt


def _stopped_in_the_second(typed, message):
    chat, _ = typed()
    whole, made = chat.studio, []

    def edit(**asked):
        made.append(1)
        return whole.edit(**asked) if len(made) == 1 else _interrupt()

    chat.studio = replace(whole, edit=edit)
    chat, said = typed(message)
    chat.studio = whole
    return chat, said


@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}" ', "file://{}"])
def test_a_line_that_is_only_a_picture_opens_it(typed, tmp_path, form):
    from tools.inspection import WorldEyes

    name = tmp_path / ("my.png" if form in ("{}", "file://{}") else "my picture.png")
    sample_portrait()[0].save(name)
    chat, _ = typed()
    chat.studio = replace(chat.studio, eyes=WorldEyes())
    chat, said = typed(form.format(name))
    assert f"Opening {name.name}" in said
    assert len(chat.conversation.turns) == 2 and not chat.conversation.messages


@pytest.mark.parametrize("line", ["no.png", "add a hat", "add a hat to my.png", "it's my.png", "~"])
def test_other_lines_open_nothing(typed, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    sample_portrait()[0].save("my.png")
    typed(line)
    chat, said = typed()
    assert "Opening" not in said and len([t for t in chat.conversation.turns if not t.step]) == 1


def offered_by_tab(chat, line):
    """Return what Tab offers at the end of a line, with what is said of it."""
    found = Words(chat).get_completions(Document(line), CompleteEvent())
    return {completion.text: completion.display_meta_text for completion in found}


def test_tab_offers_turns_with_their_requests_pictures_and_sessions(typed, tmp_path):
    chat, _ = typed("make her older", "add a hat")
    sessions = Sessions(chat.saver, tmp_path)
    copy = sessions.fork("test")
    sessions.rename(copy, "Granny Smith")
    for name in ("face.png", "notes.txt", "fine.JPG"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()

    offered = partial(offered_by_tab, chat)
    turns = offered("undo @")
    assert turns["@1"] == "make her older" and turns["@hat"] == "@2 add a hat"
    assert turns["@last"] == "@2 add a hat" and turns["@original"].startswith("@0 ")
    assert "@hat" in offered("/goto @h")
    assert set(offered(f"/open {tmp_path}/f")) == {"ace.png", "ine.JPG", "older"}
    assert offered("/session delete ") == {copy: "Granny Smith", "Granny Smith": copy}
    assert list(offered("/session delete Granny S")) == ["Granny Smith"]
    assert offered("/session rename ") == {}


@pytest.mark.parametrize("name", ["method", "preset", "keep", "retry", "export", "session"])
def test_tab_offers_what_a_command_takes(typed, name):
    chat, _ = typed()
    with pytest.raises(CommandError, match="(one of:|but) ") as refused:
        run(desk_of(chat), f"/{name} ?")
    taken = re.split("one of: |but ", str(refused.value))[1]
    assert ", ".join(offered_by_tab(chat, f"/{name} ")) + "." == taken


def test_the_toolbar_tells_where_one_is_and_reads_the_session_once(typed, monkeypatch):
    chat, _ = typed("add a hat", "/goto 0", "add glasses", "/method fireflow")
    reads, read = [], Chat._saved
    monkeypatch.setattr(Chat, "_saved", lambda self: reads.append(1) or read(self))
    assert toolbar(chat, 90).split("   ") == [
        " @2", "branch 2 of 2", "portraits · fireflow", "next seed 3", "0.1 s", "/help",
        "test",
    ]  # fmt: skip
    assert len(reads) == 1


def _cut_off(typed, monkeypatch, answer):
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
    branch = wrapped("    a portrait of a smiling young woman", 30).splitlines()
    assert branch == ["    a portrait of a smiling", "    young woman"]
    path = f"/home/{'x' * 40}.png"
    assert wrapped(f"      picture  {path}", 40) == f"      picture\n  {path}"


class Wide(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


def test_paths_are_short_on_a_terminal_and_whole_in_a_pipe(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    sample_portrait()[0].save(tmp_path / "a.png")
    for out, shown in [(Wide(), "~/a.png\n"), (io.StringIO(), f"{tmp_path}/a.png\n")]:
        TextScreen(out=out, preview="off").picture(tmp_path / "a.png")
        assert out.getvalue() == shown


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_notes_fit_the_terminal_whatever_it_is_called(monkeypatch, term):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stderr", Wide())
    TextScreen(out=Wide(), preview="off").note("word " * 30)
    lines = re.sub(r"\x1b\[[\d;]*m", "", sys.stderr.getvalue()).splitlines()
    assert [len(line) for line in lines] == [59, 59, 29]


def test_a_question_is_broken_between_words(typed, monkeypatch):
    chat, _ = typed()
    commands = Commands(chat, TextScreen(out=Wide(), preview="off"), None)
    monkeypatch.setenv("COLUMNS", "30")
    question = Ask(question="Which of the many colours there are shall it be?", options=("red",))
    repl._ask(commands, Typist(""), question)
    assert commands.screen.out.getvalue().splitlines() == [
        "Which of the many colours", "there are shall it be?", "  1  red"
    ]  # fmt: skip


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


def test_a_piped_line_leaves(typed):
    chat, _ = typed()
    assert repl.read_lines(desk_of(chat), ["help", "quit", "add a hat"]) == 0
    assert len(chat.conversation.turns) == 1 and len(chat.conversation.messages) == 1


def test_never_mind_at_the_answer_prompt_undoes_nothing(typed):
    chat, said = typed("add a hat", "change her hair", "nevermind")
    assert chat.conversation.head == 1 and chat.question is None
    assert "The question is dropped; nothing was changed." in said
