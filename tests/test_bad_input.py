"""Bad input gets one clear sentence and the documented exit code, never a traceback."""

import struct
import subprocess
import sys
import zlib

import pytest
from paths import ROOT
from PIL import Image

import chat


def refused(capsys, *argv):
    """Run the door; return its exit code and the one sentence it said."""
    try:
        code = chat.main([str(a) for a in argv])
    except SystemExit as stop:  # argparse
        code = stop.code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return code, captured.err.strip().splitlines()[-1]


def text_named_png(folder):
    path = folder / "notes.png"
    path.write_text("not a picture at all\n")
    return path


def empty_file(folder):
    path = folder / "empty.png"
    path.touch()
    return path


def half_a_picture(folder):
    path = folder / "half.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:900])
    return path


def one_pixel(folder):
    path = folder / "dot.png"
    Image.new("RGB", (1, 1)).save(path)
    return path


def huge(folder):
    """A PNG that says it has 20000 x 20000 pixels; nobody should decode them to find out."""
    path = folder / "huge.png"

    def chunk(name, data):
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    return path


def a_folder(folder):
    return folder


def nothing_there(folder):
    return folder / "no such.png"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (nothing_there, "There is no file"),
        (a_folder, "is a folder"),
        (text_named_png, "is not a picture"),
        (empty_file, "is not a picture"),
        (half_a_picture, "is damaged"),
        (one_pixel, "is too small"),
        (huge, "is too large"),
    ],
)
def test_pictures_that_cannot_be_opened(capsys, tmp_path, make, words):
    code, said = refused(capsys, make(tmp_path), "--say", "make her older", "--offline")
    assert code == 2
    assert words in said
    assert not (tmp_path / "home").exists()  # nothing is left behind by a mistake


@pytest.mark.parametrize("message", ["", "   ", "a" * 10_000])
def test_messages_that_cannot_be_read(capsys, message):
    code, said = refused(capsys, "--say", message)
    assert code == 2 and "message" in said


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["--sya", "x"], 2, "--sya"),
        (["wbe"], 2, "There is no file wbe; did you mean `palimpsest web`?"),
        (["modles", "get", "klein"], 2, "did you mean `palimpsest models`?"),
        (["docter", "--josn"], 2, "did you mean `palimpsest doctor`?"),
        (["test.png"], 2, "There is no file test.png."),
        (["--seed", "-3"], 2, "a whole number from 0"),
        (["--seed", "seven"], 2, "a whole number from 0"),
        (["--preview", "hologram"], 2, "hologram"),
        (["--resume"], 2, "no session to resume"),
        (["--resume", "nosuch"], 2, "There is no session nosuch; --list-sessions lists them."),
        (["--resume", "x", "photo.png"], 2, "takes no pictures"),
        (["--preset", "nice", "--say", "hi"], 2, "no preset nice"),
        (["--method", "magic", "--say", "hi"], 2, "no method magic"),
        (["--model", "flux-schnell", "--say", "hi"], 3, "schnell"),
        (["--model", "./nowhere", "--say", "hi"], 3, "nowhere"),
        (["--config", "nowhere.toml", "--say", "hi"], 3, "nowhere.toml"),
        (["--out", "/dev/null/here", "--say", "hi"], 2, "cannot be written"),
        (["--home", "/dev/null/here", "--say", "hi"], 3, "cannot be kept"),
    ],
)
def test_wrong_flags(capsys, argv, code, words):
    got, said = refused(capsys, *argv)
    assert (got, words in said) == (code, True), said


def test_a_file_where_a_folder_is_needed(capsys, photo):
    for flag in ("--home", "--out"):
        code, said = refused(capsys, flag, photo, "--say", "hi")
        assert code == 2 and "is a file, not a folder" in said and "Errno" not in said


def test_a_wrong_choice_is_refused_before_the_model_is_loaded(capsys):
    for flags in (["--method", "magic"], ["--model", "flux-schnell"]):
        assert chat.main([*flags, "--offline", "--say", "hi"]) in (2, 3)
        assert "loading" not in capsys.readouterr().err


def test_a_python_without_the_packages_is_told_so():
    program = (
        "import sys; sys.modules['numpy'] = None\nimport chat; sys.exit(chat.main(['--say', 'hi']))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert "not installed for this Python (no module numpy); run `make chat`" in done.stderr


def test_a_broken_configuration(capsys, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("seed = 'many'\n")
    code, said = refused(capsys, "--config", config, "--say", "hi")
    assert code == 3 and "seed" in said
    config.write_text("seed = = 3\n")
    assert refused(capsys, "--config", config, "--say", "hi")[0] == 3


def test_a_damaged_session_file(capsys, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "sessions.sqlite").write_text("this is no database, " * 100)
    code, said = refused(capsys, "--say", "make her older", "--plan-only")
    assert code == 3 and "cannot be kept" in said


def test_help_answers_at_once():
    """--help imports nothing heavy: no torch, no LangGraph, no pydantic."""
    program = (
        "import sys, chat\n"
        "try: chat.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'langgraph', 'pydantic', 'PIL', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--resume" in done.stdout
