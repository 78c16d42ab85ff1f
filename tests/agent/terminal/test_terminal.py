"""A person at the keyboard, in a pseudo-terminal, with the shipped model."""

import os
import re
import shutil
import signal

import pytest

pexpect = pytest.importorskip("pexpect", reason="there are no pseudo-terminals here")
from pseudo_terminal import CTRL_C, CTRL_D, ENTER, ESC, TAB, UP, Terminal  # noqa: E402

BUSY = "repainting"
PASTE, END_OF_PASTE = "\x1b[200~", "\x1b[201~"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def terminal(home):
    made = Terminal(home, "--preview", "off")
    made.until("you ›")
    yield made
    made.child.close(force=True)


def test_a_chat_with_completion_history_and_rewinding(terminal):
    terminal.type("/tr" + TAB + ENTER)
    assert "@0 a portrait" in terminal.until("←")

    terminal.type("make her wear a" + ENTER)
    terminal.until("?")  # a question, or what may be asked for
    terminal.type(CTRL_C)
    terminal.type("give her sunglasses" + ENTER)
    assert "model calls" in terminal.until("Added: sunglasses (@1).")
    assert "@1   portraits · steady" in terminal.until("next seed 9")

    terminal.type("remove her sungl" + TAB)
    assert "remove her sunglasses" in terminal.until("remove her sunglasses")
    terminal.type(ESC + ESC)
    terminal.until_gone("› remove her sunglasses")
    terminal.type(UP)  # what was cleared can be had back
    terminal.until("› remove her sunglasses")
    terminal.type(CTRL_C)
    terminal.until_gone("› remove her sunglasses")

    for key in (ESC, "q"):
        terminal.type(ESC + ESC)
        terminal.until("Go back to before which message? (Enter chooses, Esc leaves)")
        terminal.type(key)
        terminal.until_gone("Esc leaves)\n   > 1.")
        terminal.type("/seed" + ENTER)  # the line takes words again
        terminal.until("turn n is made with")
        terminal.type("\x0c")  # Ctrl-L clears the screen
        terminal.until_gone("turn n is made with")
    terminal.type(ESC + ESC)
    terminal.until("Go back to before which message?")
    terminal.type(ENTER)
    terminal.until("Back at @0")
    terminal.until("you › give her sunglasses\n\n")  # on the input line, above the toolbar
    terminal.type(CTRL_C + CTRL_D)
    assert terminal.ended() == 0 and terminal.cursor_is_shown
    told = re.search(r"Go on with:\s+(\S+)\s+(?:chat\.py\s+)?--resume\s", terminal.text)
    assert told and shutil.which(told[1])


def test_what_is_typed_during_an_edit_leaves_no_bar_behind(terminal):
    terminal.type("make her sad" + ENTER)
    terminal.until(BUSY)
    terminal.type("/tree" + ENTER + "add a red scarf" + ENTER)
    said = terminal.until("(@2).")
    assert "@1 make her sad  ←" in said
    assert "━" not in said and BUSY not in said and "getting ready" not in said


def test_a_message_has_several_lines_if_it_is_pasted_or_broken_with_alt_enter(terminal):
    terminal.type(f"{PASTE}make her sad\nadd a red scarf{END_OF_PASTE}" + ENTER)
    said = terminal.until("(@2).")
    assert "sad" in said and "red scarf" in said
    terminal.type("add a" + ESC + ENTER + "beanie" + ENTER)
    assert "beanie" in terminal.until("(@3).")


def test_narrow_wide_and_wide_characters(terminal):
    terminal.until("portraits · steady")
    terminal.resize(38, 20)
    terminal.until_gone("portraits · steady")
    terminal.type("日本語 😀 add a beanie")
    assert "日" in terminal.until("beanie")
    terminal.type(CTRL_C)
    terminal.resize(120, 30)
    terminal.until("portraits · steady")
    terminal.type("add a beanie 👒" + ENTER)
    terminal.until("Added: beanie (@1).")


def test_ctrl_c_stops_an_edit_and_twice_at_an_empty_prompt_leaves(terminal):
    terminal.type("give her sunglasses, add a hat, make her sad" + ENTER)
    terminal.until(BUSY)
    terminal.type(CTRL_C)
    said = terminal.until('Say "go on" to')
    assert "Stopped; you are at @" in said and "(@3)" not in said
    assert "make her sad" in " ".join(said.partition("not done:")[2].split())
    terminal.type("/tree" + ENTER)
    terminal.until("←")
    terminal.type("go on" + ENTER)
    terminal.until("(@3).")
    terminal.type(CTRL_C)
    terminal.until("Ctrl-C again leaves")
    terminal.type(CTRL_C)
    assert terminal.ended() == 0 and terminal.cursor_is_shown


def test_the_terminal_is_restored_after_sigterm(terminal):
    terminal.type("give her sunglasses, add a hat, make her sad" + ENTER)
    terminal.until(BUSY)
    os.kill(terminal.child.pid, signal.SIGTERM)
    assert terminal.ended() == 128 + signal.SIGTERM
    assert terminal.cursor_is_shown and b"Traceback" not in terminal.raw


def test_after_a_kill_it_offers_to_finish(terminal, home):
    terminal.type("give her sunglasses, make her sad" + ENTER)
    terminal.until(BUSY)
    os.kill(terminal.child.pid, signal.SIGKILL)
    terminal.ended()
    again = Terminal(home, "--preview", "off", "--resume")
    assert re.search("was cut off", again.until("answer"))
    again.type("yes" + ENTER)
    again.until("(@2).")
    again.type(CTRL_D)
    assert again.ended() == 0


def test_pictures_are_half_blocks_where_nothing_better_is_known(home):
    terminal = Terminal(home)
    assert terminal.until("you ›").count("▀") > 300
    terminal.type(CTRL_D)
    assert terminal.ended() == 0
