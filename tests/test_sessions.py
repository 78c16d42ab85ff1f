"""Sessions: listed, named, found, copied, held by one process at a time, deleted and pruned."""

import io
import json
import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from perfect_editor import draw_the_target
from PIL import Image

import chat as door
from agent.graph import Chat
from agent.sessions.catalog import InUse, SessionError, open_home
from agent.sessions.pruning import YOUNG, prunable, prune
from agent.settings import AppSettings
from agent.studio import Studio
from agent.terminal.commands import CommandError, Commands, run
from agent.terminal.screen import TextScreen
from tools.edit_picture import PRESETS
from tools.look import sample_portrait
from tools.metadata import Source

ROOT = Path(door.__file__).parent


@pytest.fixture
def sessions(tmp_path):
    with open_home(tmp_path / "home") as opened:
        yield opened


def begin(sessions, name, *messages):
    """Chat a little in a session of that id."""
    store = sessions.store
    settings = AppSettings(home=sessions.home, offline=True)
    edit = partial(draw_the_target, store)
    studio = Studio(settings=settings, edit=edit, pictures=store, presets=PRESETS)
    chat = Chat(studio, sessions.saver, name)
    if not chat.conversation.turns:
        image, caption = sample_portrait()
        chat.open(store.put(image), caption)
    for message in messages:
        list(chat.say(message))
    return chat


def desk(sessions, chat):
    return Commands(chat, TextScreen(out=io.StringIO()), sessions.store)


def typed(commands, line):
    before = len(commands.screen.out.getvalue())
    run(commands, line)
    return commands.screen.out.getvalue()[before:]


def age(folder, seconds=2 * YOUNG):
    """Make every picture look as if it was stored long ago."""
    for file in folder.rglob("*.*"):
        os.utime(file, (time.time() - seconds,) * 2)


def files(sessions):
    return {file.stem for file in sessions.store.folder.rglob("*.png")}


def test_they_are_listed_the_last_used_first(sessions):
    begin(sessions, "a", "make her older")
    begin(sessions, "b")
    begin(sessions, "a", "add a hat")
    first, second = sessions.listed()
    assert (first.id, first.edits, first.messages) == ("a", 2, ("make her older", "add a hat"))
    assert (second.id, second.edits, second.messages) == ("b", 0, ())
    assert time.time() - 60 < second.used <= first.used < time.time() + 1


def test_a_session_is_found_by_its_name(sessions):
    begin(sessions, "20260101-a")
    begin(sessions, "20260102-b")
    sessions.rename("20260101-a", "Granny  in Rome")
    for wanted in ("Granny in Rome", "granny", "20260101-a", "20260101"):
        assert sessions.find(wanted) == "20260101-a"
    assert sessions.find("") == "20260102-b"
    for wanted, words in [("2026", "Several"), ("nobody", "no session nobody")]:
        with pytest.raises(SessionError, match=words):
            sessions.find(wanted)


def test_names_that_cannot_be_used(sessions):
    begin(sessions, "20260101-a")
    begin(sessions, "20260102-b")
    sessions.rename("20260101-a", "granny")
    sessions.rename("20260101-a", "granny")
    for name, words in [
        ("GRANNY", "Another session"), (" ", "needs a letter"), ("-x", "no dash"),
        ("2026", "how an id begins"), ("x" * 99, "too long"),
    ]:  # fmt: skip
        with pytest.raises(SessionError, match=words):
            sessions.rename("20260102-b", name)
    assert sessions.names() == {"20260101-a": "granny"}


def test_a_copy_goes_its_own_way(sessions):
    first = begin(sessions, "a", "make her older")
    copy = begin(sessions, sessions.fork("a"), "add a hat")
    assert [turn.request for turn in copy.conversation.turns[1:]] == ["make her older", "add a hat"]
    assert copy.conversation.session == copy.session != "a"
    assert len(first.conversation.turns) == 2
    assert copy.conversation.turns[1].picture == first.conversation.turns[1].picture


def test_a_question_waits_in_the_copy_too(sessions):
    chat = begin(sessions, "a")
    chat.studio = Studio(**{**vars(chat.studio), "interactive": True})
    list(chat.say("make her hair purple"))
    copy = begin(sessions, sessions.fork("a"))
    assert copy.question == chat.question is not None
    list(copy.answer("pink"))
    assert copy.question is None and chat.question is not None
    assert len(copy.conversation.turns) == 2


def test_only_one_at_a_time_holds_a_session(sessions):
    begin(sessions, "a")
    with sessions.held("a"):
        with pytest.raises(InUse, match="open in another process"), sessions.held("a"):
            pass
        with pytest.raises(InUse):
            sessions.delete("a")
    sessions.delete("a")
    assert sessions.ids() == []


def test_prune_frees_what_no_session_reaches(sessions):
    gone, stays = begin(sessions, "gone", "make her older"), begin(sessions, "stays", "add a hat")
    mask = sessions.store.put(Image.new("L", (16, 16)))
    stays._graph.update_state(stays._config, {"tries": [{"picture": "", "mask": mask}]}, "reply")
    needed = {turn.picture for turn in stays.conversation.turns} | {mask}
    only = {turn.picture for turn in gone.conversation.turns} - needed
    age(sessions.store.folder)
    sessions.delete("gone")
    assert len(prune(sessions, prunable(sessions, but="stays")).files) == 1
    assert only and files(sessions) == needed


def test_prune_says_what_it_would_free_before_it_does(sessions):
    begin(sessions, "gone", "make her older")
    begin(sessions, "stays", "add a hat")
    age(sessions.store.folder)
    what = prunable(sessions, "stays", newest=1)
    assert what.sessions == ("gone",) and len(what.files) == 1 and what.size > 0
    assert len(files(sessions)) == 3
    assert prune(sessions, what) == what
    assert sessions.ids() == ["stays"] and len(files(sessions)) == 2


def test_prune_leaves_what_is_in_use_or_young(sessions):
    begin(sessions, "held", "make her older")
    begin(sessions, "here")
    young = sessions.store.put(Image.new("RGB", (16, 16)))
    with sessions.held("held"):
        assert not prunable(sessions, "here", older_than=0, newest=0)
    age(sessions.store.folder)
    what = prunable(sessions, "here", older_than=0)
    sessions.store.put(Image.new("RGB", (16, 16)))  # again, by another process, just before
    begin(sessions, sessions.fork("held"))
    freed = prune(sessions, what)
    assert freed.sessions == ("held",) and not freed.files  # the copy needs its pictures
    assert young in sessions.store


def test_prune_leaves_the_note_of_a_file_that_came_into_use_again(sessions):
    picture = begin(sessions, "held", "make her older").conversation.turns[1].picture
    sessions.store.remember(picture, Source(".jpg"))
    begin(sessions, "here")
    age(sessions.store.folder)
    what = prunable(sessions, "here", older_than=0)
    begin(sessions, sessions.fork("held"))
    prune(sessions, what)
    assert sessions.store.source(picture) == Source(".jpg")


def test_a_half_written_file_is_cleared_away(sessions):
    begin(sessions, "a")
    litter = sessions.store.folder / "ab" / "tmp123.png"
    litter.parent.mkdir(exist_ok=True)
    litter.write_bytes(b"half")
    assert not prunable(sessions, "a")
    age(sessions.store.folder)
    assert [*prune(sessions, prunable(sessions, "a")).files] == [litter] and not litter.exists()


def test_the_database_stays_small(sessions):
    chat = begin(sessions, "a", *["make her older", "/x", "make her younger"] * 4)
    count = "SELECT (SELECT COUNT(*) FROM checkpoints), (SELECT COUNT(*) FROM writes)"
    assert sessions.saver.conn.execute(count).fetchone() == (1, 0)
    assert len(chat.conversation.turns) > 4


def test_the_command_lists_renames_deletes_and_prunes(sessions):
    begin(sessions, "20260101-other", "make her older")
    commands = desk(sessions, begin(sessions, "20260102-here"))
    assert "is called Granny" in typed(commands, "/session rename Granny")
    here, other = typed(commands, "/session").splitlines()
    assert here.startswith("← 20260102-here    0 edits") and "[Granny]" in here
    assert other.startswith("  20260101-other    1 edit ") and "make her older" in other
    for line, words in [
        ("/session delete granny", "You are in that session"),
        ("/session delete", "Use it as"),
        ("/session delete nobody", "no session nobody"),
        ("/session burn", "list, rename, delete, prune"),
        ("/session prune all of them", "30 days"),
    ]:
        with pytest.raises(CommandError, match=words):
            run(commands, line)
    assert "Deleted 20260101-other" in typed(commands, "/session delete 20260101")
    nothing, waiting = typed(commands, "/session prune").splitlines()
    assert nothing == "There is nothing to free."
    assert re.fullmatch(r"1 picture, \d+\.\d kB, is younger than an hour and stays .*", waiting)
    age(sessions.store.folder)
    told = typed(commands, "/session prune keep 5").splitlines()
    assert [line.partition(":")[0] for line in told] == ["To free", "Freed"]
    assert "0 sessions and 1 file " in told[1]


def test_the_command_names_a_session_as_the_person_did(sessions):
    run(desk(sessions, begin(sessions, "20260101-other", "make her older")), "/session rename Hat")
    commands = desk(sessions, begin(sessions, "20260102-here"))
    with sessions.held("20260101-other"), pytest.raises(CommandError, match="session Hat is open"):
        run(commands, "/session delete Hat")
    with pytest.raises(CommandError, match="/session list lists them"):
        run(commands, "/session delete nobody")


def test_a_list_leaves_out_where_nothing_was_said_and_cuts_titles_at_words(sessions, capsys):
    begin(sessions, "20260101-long", *["make her older", "add a hat"] * 5)
    begin(sessions, "20260102-blank")
    begin(sessions, "20260103-other")
    commands = desk(sessions, begin(sessions, "20260104-here"))
    here, long, last = typed(commands, "/session").splitlines()
    assert here.startswith("← 20260104-here") and long.startswith("  20260101-long")
    assert (
        len(long) <= 122
        and long.endswith(" …")
        and long.split()[-2] in "make her older add a · hat"
    )
    assert last == "2 sessions in which nothing was said are left out."
    assert door.main(["--list-sessions", "--home", str(sessions.home)]) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 1 and "3 sessions in which" in told.err


# through the door


def talk(capsys, *argv, code=0):
    assert door.main(["--offline", "--json", "--seed", "7", *map(str, argv)]) == code
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err


@pytest.mark.usefixtures("perfect_editor")
def test_a_second_process_is_told_and_may_copy_or_look(capsys, tmp_path):
    events, _ = talk(capsys, "--say", "make her older", "--say", "/session rename Granny")
    session = events[0]["session"]
    with open_home(tmp_path / "home") as sessions, sessions.held(session):
        _, said = talk(capsys, "--resume", "--say", "add a hat", code=2)
        assert f"session {session} is open in another process. With --fork " in said
        _, said = talk(capsys, "--resume", "granny", "--say", "add a hat", code=2)
        assert "session granny is open in another process" in said and "--read-only" in said
        looking = ["--resume", "granny", "--read-only"]
        events, _ = talk(capsys, *looking, "--say", "/tree", "--say", "/why", "--say", "/session")
        assert events[0]["turn"] == 1 and "make her older" in events[1]["text"]
        for line in ("add a hat", "/undo", "/goto 0", "/session prune"):
            events, said = talk(capsys, *looking, "--say", line, code=2)
            assert "open for reading only" in said, line
        events, _ = talk(capsys, "--resume", "granny", "--fork", "--say", "add a hat")
        assert events[0]["session"] != session
        assert [e["parent"] for e in events if e["event"] == "turn.completed"] == [1]
        edits = {listed.id: listed.edits for listed in sessions.listed()}
    assert edits == {session: 1, events[0]["session"]: 2}


@pytest.mark.usefixtures("perfect_editor")
def test_looking_leaves_an_unfinished_message_alone(capsys, tmp_path):
    session = talk(capsys, "--say", "make her older")[0][0]["session"]
    with open_home(tmp_path / "home") as sessions:
        chat = begin(sessions, session)
        events = chat.say("add a hat, now make her sad")
        next(event for event in events if event.event == "step")
        events.close()
        assert chat.unfinished
        before = sessions.saver.get_tuple(chat._config)
        talk(capsys, "--resume", "--read-only", "--say", "/show")
        assert sessions.saver.get_tuple(chat._config) == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--fork"], "--fork needs --resume"),
        (["--read-only"], "--read-only needs --resume"),
        (["--resume", "--fork", "--read-only"], "Either --fork or --read-only"),
    ],
)
def test_flags_that_make_no_sense(capsys, flags, words):
    assert words in talk(capsys, *flags, "--say", "hi", code=2)[1]


def test_a_kill_frees_the_session(sessions, tmp_path):
    begin(sessions, "a")
    code = "import sys, time; from pathlib import Path\n" \
           "from agent.sessions.catalog import open_home\n" \
           "with open_home(Path(sys.argv[1])) as s, s.held('a'): print('held', flush=True); " \
           "time.sleep(60)"  # fmt: skip
    command = [sys.executable, "-c", code, str(sessions.home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InUse), sessions.held("a"):
            pass
        process.kill()
        process.wait()
        with sessions.held("a"):
            pass
