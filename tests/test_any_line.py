"""Whatever is typed, piped or named gets one sentence, and the chat goes on."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import ROOT

import chat as door
from agent.exit_codes import BROKEN, DONE, STOPPED, UNREADABLE
from agent.scripts.loader import ScriptError, cases
from agent.terminal.commands import Commands
from agent.terminal.crash_guard import LOG
from agent.terminal.repl import read_lines
from agent.visible import visible
from tools.arguments import InputError, number, path_of, whole

RAW = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
DIGITS = "9" * 5000

REFUSED = [
    ("/goto ²", "There is no turn"),
    ("/show ²", "There is no turn"),
    ("/compare ² ³", "There is no turn"),
    ("/why ²", "There is no turn"),
    (f"/undo {DIGITS}", "too large"),
    (f"/seed {DIGITS}", "too large"),
    (f"/goto {DIGITS}", "There is no turn"),
    ("/save ~nosuchuser/x.png", "nobody called nosuchuser"),
    ("/open ~nosuchuser/x.png", "nobody called nosuchuser"),
    ("/export html ~nosuchuser/x.html", "nobody called nosuchuser"),
    (f"/save {'x' * 300}.png", "too long"),
    (f"/open {'x' * 300}.png", "too long"),
    (f"/open {'x' * 200_000}", "at most 20000 are read"),
    ("/open a\0b.png", "NUL character"),
    ("make her \ud800 older", "not in UTF-8"),
    ("/\x1b[31m", "There is no command /\\u001b[31m"),
    ("/save /\x1b]0;title\x07/a.png", "\\u001b]0;title\\u0007"),
]


@pytest.mark.parametrize("line, says", REFUSED, ids=[line[:24] for line, _ in REFUSED])
def test_a_bad_line_is_refused_in_a_sentence(desk: Commands, capsys, line: str, says: str) -> None:
    assert read_lines(desk, [line]) == UNREADABLE
    said = capsys.readouterr().err
    assert says in said
    assert not RAW.search(said) and "Traceback" not in said


def test_an_undo_of_more_than_there_is_takes_all_back(desk: Commands) -> None:
    lines = ["give her a hat", f"undo the last {'9' * 20} edits"]
    assert read_lines(desk, lines) == DONE
    assert desk.chat.conversation.head == 0


def test_what_breaks_inside_is_logged_and_the_next_line_is_read(
    desk: Commands, capsys, monkeypatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such \x1b thing")

    monkeypatch.setattr(type(desk), "tree", broken)
    assert read_lines(desk, ["/tree", "give her a hat"]) == BROKEN
    assert desk.chat.conversation.head == 1
    log = desk.chat.studio.settings.home / LOG
    assert "no such \\u001b thing" in log.read_text("utf-8")
    assert LOG in "".join(capsys.readouterr().err.split())


def test_random_lines_never_end_a_chat_nor_reach_the_terminal_raw(
    desk: Commands, capsys, monkeypatch, tmp_path
) -> None:
    monkeypatch.chdir(tmp_path)  # where exports go
    rng = random.Random(22)
    pieces = [
        "/goto", "/undo", "/show", "/compare", "/save", "/seed", "/why", "/export png", "/keep",
        "/strength", "/session rename", "make her", "older", "undo", "@3", "²", "٣", "-1", "1e9",
        DIGITS, "\x1b[31m", "\x1b]52;c;aGk=\x07", "\u202e", "\x9b1m", "\0", "\ud83d", "\"", "'",
        "~nosuchuser/a", "a" * 300, "../" * 50, "{}", "%s", "$HOME", "\t", "go on", "yes", "@hat",
    ]  # fmt: skip
    lines = [" ".join(rng.choices(pieces, k=rng.randint(1, 4))) for _ in range(300)]
    assert read_lines(desk, lines) < BROKEN
    shown = desk.screen.out.getvalue() + capsys.readouterr().err
    assert not RAW.search(shown)
    assert desk.chat.conversation.turns[0].caption


def test_events_are_json_whatever_they_tell(desk: Commands) -> None:
    line = desk.chat.event("reply", text="\x1b[2J \u2028 \ud800 ü").line()
    assert not RAW.search(line)
    assert json.loads(line)["text"] == "\x1b[2J \u2028 \ud800 ü"


@pytest.mark.parametrize("text", ["make her older\n".encode("utf-16"), b"make \xff\xfe older\n"])
def test_standard_input_that_is_not_utf_8(text: bytes, tmp_path: Path) -> None:
    command = [sys.executable, "chat.py", "--plan-only", "--home", str(tmp_path), "--offline"]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, timeout=100)
    assert done.returncode == UNREADABLE
    assert b"UTF-8" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.4])
def test_ctrl_c_in_the_first_second_prints_no_traceback(seconds: float, tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = sys.argv[1:]\n"
        "try: print('begun', flush=True); import chat\n"
        "except KeyboardInterrupt: sys.exit(130)  # before its first line\n"
        "chat.run()"
    )
    command = [sys.executable, "-c", code, "chat.py", "--home", str(tmp_path), "--offline"]
    started = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert started.stdout is not None
    started.stdout.readline()
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=100)
    assert b"Traceback" not in said, said
    assert started.returncode == STOPPED


def test_numbers_and_paths_have_one_reader_each(tmp_path: Path) -> None:
    assert [whole(t) for t in ("7", "007", "²", "-1", "", DIGITS)] == [7, 7, None, None, None, None]
    assert number("3", least=1) == 3
    for wrong in ("²", DIGITS, "0"):
        with pytest.raises(InputError):
            number(wrong, least=1)
    assert path_of(tmp_path / "a.png") == tmp_path / "a.png"
    for bad in ("~nosuchuser/x", "a\0b", "\ud800", "x" * 300, "a/" * 3000):
        with pytest.raises(InputError):
            path_of(bad)


def test_what_is_visible_has_no_control_character_and_keeps_its_lines() -> None:
    assert visible("a\nb\x1b[0m\x9b\u202e\ud800é") == "a\nb\\u001b[0m\\u009b\\u202e\\ud800é"


@pytest.mark.parametrize("text", [b"", b"- a list\n", b"\xff\xfe", b"just words", b"!!x {a: 1}"])
def test_a_file_that_is_no_script_is_refused(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "odd.chat.yaml"
    file.write_bytes(text)
    with pytest.raises(ScriptError, match="odd.chat.yaml"):
        cases(file)


def test_a_pipe_is_no_script(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.chat.yaml")
    from agent.scripts.loader import find

    with pytest.raises(ScriptError, match="no regular file"):
        find([tmp_path / "pipe.chat.yaml"])


@pytest.mark.parametrize("command", ["recipe", "redo", "test"])
def test_other_commands_show_what_is_not_theirs(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main([command, "x\x1b[31m\x1b]52;c;AAAA\x07.png"]) == UNREADABLE
    said = "".join(capsys.readouterr())
    assert "\x1b" not in said and "\x07" not in said and "\\u001b[31m" in said
