"""Print what a chat costs: seconds to the prompt and for an edit, memory, size of the weights.

python -m tests.cost
"""

from __future__ import annotations

import os
import pty
import resource
import select
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

from paths import ROOT
from perfect_chat import begin

from agent.sessions.catalog import open_home
from editing_core.bench.__main__ import markdown
from editing_core.bench.parallel import Row

PATIENCE = 300.0  # seconds
TORCH = "import torch"
MANY = (10, 100, 300)
"""Turns at which a long session is measured; its editor draws the answers exactly."""
SAID = ("make her older", "make her younger", "give her sunglasses", "remove the sunglasses")


def main() -> None:
    """Chat once in a terminal of our own and print the table."""
    with tempfile.TemporaryDirectory() as home:
        started = time.monotonic()
        pid, terminal = pty.fork()
        if pid == 0:
            command = [sys.executable, "chat.py", "--offline", "--preview", "off", "--home", home]
            os.chdir(ROOT)
            os.execv(sys.executable, command)
        _read_until(terminal, "you ›")
        prompt = time.monotonic() - started
        os.write(terminal, b"give her sunglasses\r")
        _read_until(terminal, "Added")
        first = time.monotonic() - started - prompt
        said = time.monotonic()
        os.write(terminal, b"make the background pink\r")
        _read_until(terminal, "New background")
        second = time.monotonic() - said
        os.write(terminal, b"/quit\r")
        os.waitpid(pid, 0)
    long = _long_session()
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    if sys.platform == "darwin":
        memory /= 1024
    weights = (ROOT / "editing_core").rglob("*.safetensors")
    size = sum(file.stat().st_size for file in weights) / 2**20
    rows: list[Row] = [
        {"what": "python chat.py --help", "cost": f"{_took('chat.py', '--help'):.2f} s"},
        {"what": "python -c 'import torch', to compare", "cost": f"{_took('-c', TORCH):.1f} s"},
        {"what": "start of the program to the prompt", "cost": f"{prompt:.1f} s"},
        {
            "what": "the first message and its edit, the model still loading",
            "cost": f"{first:.1f} s",
        },
        {"what": "the next message and its edit", "cost": f"{second:.1f} s"},
        {"what": "peak memory of the chat", "cost": f"{memory:.0f} MB"},
        *long,
        {"what": "weights in the repository", "cost": f"{size:.1f} MB"},
    ]
    print(markdown(rows))


def _long_session() -> list[Row]:
    """Return what many turns cost: bytes a turn in the database, and seconds to look at them."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as home:
        file, before, turns = Path(home) / "sessions.sqlite", 0, 0
        for turn in MANY:
            with open_home(Path(home)) as sessions:
                begin(sessions, "long", *islice(cycle(SAID), turns, turn))
            cost = (file.stat().st_size - before) / (turn - turns) / 1024
            what = f"the database, a turn, from turn {turns} to {turn}"
            rows.append({"what": what, "cost": f"{cost:.1f} kB"})
            before, turns = file.stat().st_size, turn
        look = ("chat.py", "--home", home, "--resume", "--say", "/tree")
        what = f"python chat.py --resume --say /tree with {turns} turns"
        rows.append({"what": what, "cost": f"{_took(*look):.2f} s"})
    return rows


def _took(*words: str) -> float:
    """Return the seconds that Python takes for something, the second time."""
    for _ in range(2):
        started = time.monotonic()
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    return time.monotonic() - started


def _read_until(terminal: int, words: str) -> None:
    seen, until = b"", time.monotonic() + PATIENCE
    while words.encode() not in seen:
        if not select.select([terminal], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError(f"the chat never said {words!r}: {seen[-2000:].decode()!r}")
        seen += (piece := os.read(terminal, 4096))
        if b"\x1b[6n" in piece:  # the prompt asks where the cursor is
            os.write(terminal, b"\x1b[1;1R")


if __name__ == "__main__":
    main()
