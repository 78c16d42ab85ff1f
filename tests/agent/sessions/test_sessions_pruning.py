"""What no session needs is cleared away, and nothing else."""

from perfect_chat import age, begin
from PIL import Image

from agent.sessions.pruning import prunable, prune
from tools.metadata import Source


def files(sessions):
    return {file.stem for file in sessions.store.folder.rglob("*.png")}


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


def test_with_a_session_goes_what_was_computed_from_its_pictures(sessions):
    begin(sessions, "gone")
    kept = sessions.home / "cache" / "abc"
    for clear in (lambda: sessions.delete("gone"), lambda: prune(sessions, loose(sessions))):
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(b"latents of a face")
        clear()
        assert not kept.exists()


def loose(sessions):
    age(sessions.store.folder)
    return prunable(sessions, but="")
