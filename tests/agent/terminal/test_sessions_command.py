"""/session and --list-sessions."""

import re

import pytest
from perfect_chat import age, begin, desk_of, typed

import chat as door
from agent.terminal.commands import CommandError, run


def test_the_command_lists_renames_deletes_and_prunes(sessions):
    begin(sessions, "20260101-other", "make her older")
    commands = desk_of(begin(sessions, "20260102-here"))
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
    run(desk_of(begin(sessions, "20260101-other", "make her older")), "/session rename Hat")
    commands = desk_of(begin(sessions, "20260102-here"))
    with sessions.held("20260101-other"), pytest.raises(CommandError, match="session Hat is open"):
        run(commands, "/session delete Hat")
    with pytest.raises(CommandError, match="/session list lists them"):
        run(commands, "/session delete nobody")


def test_a_list_leaves_out_where_nothing_was_said_and_cuts_titles_at_words(sessions, capsys):
    begin(sessions, "20260101-long", *["make her older", "add a hat"] * 5)
    begin(sessions, "20260102-blank")
    begin(sessions, "20260103-other")
    commands = desk_of(begin(sessions, "20260104-here"))
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
