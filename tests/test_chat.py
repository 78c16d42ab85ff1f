"""Whole conversations through the door, with an editor that draws the answer exactly."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
from paths import ROOT
from PIL import Image

import chat
from agent.settings import AppSettings
from agent.terminal.flags import parser

pytestmark = pytest.mark.usefixtures("perfect_editor")


def talk(capsys, *argv, code=0, seed=7):
    """Run the door with JSON events; return them."""
    given = [] if seed is None else ["--seed", str(seed)]
    assert chat.main(["--offline", "--json", *given, *map(str, argv)]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def say(*messages):
    return [part for message in messages for part in ("--say", message)]


def named(events, name):
    return [event for event in events if event["event"] == name]


def size(path):
    with Image.open(path) as image:
        return image.size


def test_older_then_a_hat_then_sunglasses_instead(capsys):
    events = talk(
        capsys,
        *say("make her older, now add a hat", "undo the hat", "give her sunglasses instead"),
    )
    assert events[0]["event"] == "session.started" and events[-1]["event"] == "session.ended"
    assert [len(plan["steps"]) for plan in named(events, "plan")] == [2, 1, 1]
    turns = named(events, "turn.completed")
    assert [(turn["turn"], turn["parent"]) for turn in turns] == [(1, 0), (2, 1), (3, 1)]
    assert named(events, "head.moved")[0]["to"] == 1
    assert "old" in turns[2]["caption"] and "sunglasses" in turns[2]["caption"]
    assert "hat" not in turns[2]["caption"].split()
    assert all({"time", "session"} <= event.keys() for event in events)
    assert Path(turns[2]["picture"]).is_file()


def test_standard_output_is_replies_and_paths(capsys, tmp_path):
    out = tmp_path / "out"
    assert chat.main(["--offline", "--out", str(out), *say("add a red hat")]) == 0
    captured = capsys.readouterr()
    kept = out / "01-add-a-red-hat.png"
    assert (out / "00-original.png").is_file()
    lines = captured.out.splitlines()
    assert str(kept) in lines and size(kept) == (256, 256)
    assert lines[0].endswith(".png")  # where the chat began
    assert "hat" in lines[-1]  # the reply
    assert "\x1b" not in captured.out + captured.err


def test_messages_from_a_pipe(capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("make her older\n\n/undo\n/quit\nadd a hat\n"))
    events = talk(capsys)
    assert [event["turn"] for event in named(events, "turn.completed")] == [1]
    assert named(events, "head.moved")[-1]["to"] == 0


def test_a_session_goes_on(capsys):
    first = talk(capsys, *say("make her older"))[0]["session"]
    events = talk(capsys, "--resume", *say("add a hat", "/undo"))
    assert events[0]["session"] == first and events[0]["resumed"] and events[0]["turn"] == 1
    assert named(events, "turn.completed")[0]["parent"] == 1
    assert talk(capsys, "--resume", first[:8], *say("/show"))[0]["turn"] == 1


def test_a_misspelt_flag_gets_the_one_that_may_be_meant(capsys):
    with pytest.raises(SystemExit, match="2"):
        chat.main(["--sya", "add a hat"])
    assert "--sya" in (said := capsys.readouterr().err) and "did you mean --say?" in said


def test_list_sessions(capsys):
    session = talk(capsys, *say("make her older"))[0]["session"]
    assert chat.main(["--list-sessions"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{session}    1 edit ") and "make her older" in line


def test_two_pictures_the_first_is_the_base(capsys, tmp_path, photo):
    other = tmp_path / "other.png"
    Image.new("RGB", (32, 32), "red").save(other)
    events = talk(capsys, photo, other, "--caption", "a portrait of a woman", *say("/show"))
    assert size(named(events, "session.started")[-1]["picture"]) == (48, 32)


def test_each_of_several_pictures_has_its_own_caption(capsys, photo, tmp_path):
    other = str(tmp_path / "other.png")
    Image.new("RGB", (40, 30), "blue").save(other)
    each = ("--caption", "a lamp on a table", "--caption", "the blue sea")
    events = talk(capsys, str(photo), other, "--plan-only", *each, *say("/show"))
    told = [event["caption"] for event in events if event["event"] == "session.started"]
    assert told == ["the blue sea", "a lamp on a table"], "the first named is opened last"
    flags = [str(photo), other, *each, "--caption", "a third", *say("/show")]
    assert chat.main(["--offline", *flags]) == 2
    assert "3 captions for 2 pictures: give one for all, or one for each" in capsys.readouterr().err


def test_a_picture_nobody_can_describe(capsys, photo):
    assert chat.main(["--offline", str(photo), *say("add a hat")]) == 2
    assert "--caption" in capsys.readouterr().err


def test_a_picture_made_here_carries_its_caption(capsys, tmp_path, photo):
    from tools.pictures import PictureStore

    store = PictureStore(tmp_path / "pictures")
    words = "a portrait of a smiling old man with a bald head"
    with Image.open(photo) as image:
        path = store.path(store.put(image, recipe={"target_prompt": words}))
    assert talk(capsys, path, *say("/show"))[0]["caption"] == words


def test_unknown_words_change_nothing(capsys):
    events = talk(capsys, *say("make her flibber the wug"), code=2)
    assert named(events, "question") and not named(events, "turn.completed")


def test_plan_only_loads_no_model(capsys, monkeypatch):
    monkeypatch.setattr("agent.bootstrap._edit", None)  # calling it would fail
    events = talk(capsys, "--plan-only", *say("make her older", "remove the hat"), code=0)
    plan = named(events, "plan")[0]["steps"][0]
    assert "old" in plan["edit_words"] and plan["change"] == "attribute"


def test_a_failing_edit_keeps_the_head_and_says_so(capsys, monkeypatch):
    def broken(*_args, **_named):
        def edit(**_request):
            raise RuntimeError("out of memory")

        return edit

    monkeypatch.setattr("agent.bootstrap._edit", broken)
    events = talk(capsys, *say("make her older"), code=1)
    assert "out of memory" in named(events, "turn.failed")[0]["error"]
    assert not named(events, "turn.completed")


SLOW_CHAT = """
import signal, sys, time, chat, agent.bootstrap, perfect_editor as shared
from functools import partial

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored

def edit(store, *, on_step, **request):
    done = shared.draw_the_target(store, on_step=None, **request)
    for index in range(1, 200):
        time.sleep(0.05)
        on_step("sample", index, 200)
    return done

fast = partial(shared.draw_the_target)
make = fast if sys.argv[1] == "fast" else edit
agent.bootstrap._edit = lambda settings, store, note, **_: partial(make, store)
sys.exit(chat.main(sys.argv[2:]))
"""


def start(home, speed, *argv):
    command = [sys.executable, "-c", SLOW_CHAT, speed, "--offline", "--json", "--home", str(home)]
    return subprocess.Popen(
        [*command, *argv],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests" / "support")},
    )


def until(process, event):
    """Read events up to one of that name."""
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    pytest.fail(f"no {event}: {process.stderr.read()}")


def test_ctrl_c_stops_within_a_step_and_keeps_everything(tmp_path):
    with start(tmp_path, "slow", *say("make her older")) as process:
        until(process, "step")
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        rest, said = process.communicate(timeout=20)
        assert process.returncode == 130 and time.monotonic() - asked < 3
    assert "Traceback" not in said and "Stopped" in said
    assert '"turn.completed"' not in rest and '"session.ended"' in rest


def test_a_killed_session_resumes(tmp_path):
    with start(tmp_path, "slow", *say("make her older")) as process:
        until(process, "step")
        process.kill()
        process.communicate()
    with start(tmp_path, "fast", "--resume") as process:
        output, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    turns = [json.loads(line) for line in output.splitlines() if '"turn.completed"' in line]
    assert [turn["turn"] for turn in turns] == [1]


def test_what_was_stopped_is_not_finished_unasked(tmp_path):
    with start(tmp_path, "slow", *say("make her older")) as process:
        until(process, "step")
        process.send_signal(signal.SIGINT)
        process.communicate()
    with start(tmp_path, "fast", "--resume", *say("add a hat")) as process:
        output, said = process.communicate(timeout=60)
    assert '"make her older" was cut off and is dropped' in said
    requests = [event["request"] for event in map(json.loads, output.splitlines())
                if event["event"] == "turn.completed"]  # fmt: skip
    assert requests == ["add a hat"]


def test_a_session_remembers_what_flags_chose_until_other_flags_do(capsys):
    talk(capsys, "--method", "fireflow", *say("add a red hat"), seed=40)
    later = talk(capsys, "--resume", *say("make her older"), seed=None)
    assert named(later, "turn.completed")[0]["seed"] == 42
    chosen = talk(capsys, "--resume", *say("/seed 50", "add glasses"), seed=41)
    assert named(chosen, "turn.completed")[0]["seed"] == 53
    last = talk(capsys, "--resume", *say("make her sad", "/method"), seed=7)
    assert named(last, "turn.completed")[0]["seed"] == 11
    assert named(last, "reply")[-1]["text"].startswith("method fireflow")


def test_flags_offer_what_the_settings_take():
    offered = {action.dest: action.choices for action in parser()._actions}
    assert tuple(offered["keep"]) == get_args(AppSettings.model_fields["keep"].annotation)
