"""`palimpsest doctor`: say what is there and what to do next, without loading a model.

PyTorch takes seconds to import, so versions are read from what is installed, and the GPU is asked
for by the tools of its driver.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.filesize import decimal

from agent.bootstrap import Refusal, llm_is_configured, settings_of
from agent.exit_codes import DONE, MISSING
from agent.llm import local
from agent.settings import AppSettings
from agent.terminal import previews
from agent.terminal.flags import Parser, add_option
from editing_core.errors import ModelMissing
from editing_core.models.checkpoints import SHIPPED_FOLDERS, find, refuse_name
from editing_core.models.offers import HUB
from editing_core.models.single_files import SINGLE
from tools import __version__

PACKAGES = ("torch", "diffusers", "transformers", "langgraph")
OPTIONS = ("model", "device", "home", "offline", "llm_url", "llm_model", "preview")
PATIENCE = 5.0  # seconds for a driver's tool, or an LLM server's list of models
SHOWN = {
    "kitty": "pictures by Kitty's protocol",
    "sixel": "pictures as sixel",
    "blocks": "pictures as coloured half blocks",
    "off": "no pictures here",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        said: what was found.
        todo: what to do about it; empty if nothing need be done.
        missing: whether the program cannot work without that.
    """

    name: str
    said: str
    todo: str = ""
    missing: bool = False


def main(argv: Sequence[str]) -> int:
    """Run `palimpsest doctor` and return its exit code: 0, or 3 if something is missing."""
    parser = Parser(
        prog="palimpsest doctor",
        description="Say what is there: model, GPU, memory, LLM, terminal, versions, home.",
        epilog=f"exit codes: {DONE} all that is needed is there, {MISSING} something is missing",
    )
    add = parser.add_argument
    for name in OPTIONS:
        add_option(add, name)
    add("--config", type=Path, metavar="FILE", help="a config.toml")
    flags = parser.parse_args(argv)
    try:
        settings = settings_of(flags.config, **{name: getattr(flags, name) for name in OPTIONS})
    except Refusal as refusal:
        print(f"palimpsest: {refusal}", file=sys.stderr)
        return refusal.code
    findings = list(examined(settings))
    for found in findings:
        print(f"{found.name:>9}  {found.said}")
    todo = [found.todo for found in findings if found.todo] or ["nothing; have a chat"]
    for sentence in todo:
        print(f"{'to do':>9}  {sentence}")
    return MISSING if any(found.missing for found in findings) else DONE


def examined(settings: AppSettings) -> Iterator[Finding]:
    """Look at everything, one after the other."""
    looks: tuple[Callable[[AppSettings], Finding], ...] = (
        _versions, _model, _gpu, _memory, _llm, _terminal, _home,
    )  # fmt: skip
    for look in looks:
        yield look(settings)


def _versions(settings: AppSettings) -> Finding:
    said = [f"palimpsest {__version__}", f"Python {platform.python_version()}"]
    lacking = []
    for package in PACKAGES:
        try:
            said.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lacking.append(package)
    todo = f"install what is missing ({', '.join(lacking)}): pip install -e ." if lacking else ""
    return Finding("versions", ", ".join(said), todo, missing=bool(lacking))


def _model(settings: AppSettings) -> Finding:
    """Look for a model on this machine; nothing is fetched."""
    model = settings.model
    if not Path(model).expanduser().exists():
        hub_id, file = HUB.get(model, model), "model_index.json"
        if model.lower().endswith(SINGLE) and model.count("/") > 1:
            user, repository, file = model.split("/", 2)
            hub_id = f"{user}/{repository}"
        if re.fullmatch(r"\w[\w.-]*/[\w.-]+", hub_id):
            return _hub_model(model, hub_id, file)
    try:
        source = find(model)
    except ModelMissing as error:
        return Finding("model", f"{model}, which cannot be used", str(error), missing=True)
    size = sum(file.stat().st_size for file in source.weight_files())
    return Finding("model", f"{model}, here ({decimal(size)})")


def _hub_model(model: str, hub_id: str, file: str) -> Finding:
    """Look for a model of the Hugging Face hub in its cache."""
    from huggingface_hub import try_to_load_from_cache

    try:
        refuse_name(model)
    except ModelMissing as error:
        return Finding("model", f"{model}, which cannot be used", str(error), missing=True)
    if isinstance(try_to_load_from_cache(hub_id, file), str):
        return Finding("model", f"{model}, at least in part in the cache of the Hugging Face hub")
    todo = (
        f"the first chat fetches {hub_id}; if it is gated, accept its licence on "
        f"https://huggingface.co/{hub_id} and log in with `hf auth login`"
    )
    return Finding("model", f"{model}, not on this machine yet", todo)


def _gpu(settings: AppSettings) -> Finding:
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return Finding("GPU", "Apple's; the CPU is used")
    tool = shutil.which("nvidia-smi")
    wanted = ["--query-gpu=name,memory.total", "--format=csv,noheader"]
    lines = _output([tool, *wanted]) if tool else []
    if not lines:
        asked = (settings.device or "").startswith("cuda")
        shipped = settings.model in SHIPPED_FOLDERS
        slow = "" if shipped else "on a CPU this model takes many minutes an edit; use a GPU"
        todo = "leave --device out, or use a machine with an NVIDIA GPU" if asked else slow
        return Finding("GPU", "none found; the shipped model needs none", todo, missing=asked)
    try:
        cpu_build = "+cpu" in version("torch")
    except PackageNotFoundError:
        cpu_build = False
    todo = "this PyTorch is built for the CPU; install the one for your GPU" if cpu_build else ""
    return Finding("GPU", "; ".join(lines), todo)


def _output(command: list[str]) -> list[str]:
    """Return the lines that a tool prints; none if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def _memory(settings: AppSettings) -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return Finding("memory", "unknown")
    return Finding("memory", f"{decimal(total)} of RAM, {os.cpu_count()} CPU cores")


def _llm(settings: AppSettings) -> Finding:
    """Ask the configured LLM for its models, or look for one on this machine."""
    if settings.offline:
        return Finding("LLM", "none, as --offline says; rules read the messages")
    if llm_is_configured(settings):
        return _configured_llm(settings)
    here = local.found()
    if not here:
        return Finding("LLM", "none is configured; rules read the messages")
    names = "; ".join(f"{llm.server} is here with {llm.name}" for llm in here)
    first = here[0]
    todo = f"to let it read messages: --llm-url {first.url} --llm-model {first.model}"
    return Finding("LLM", f"none is configured; {names}", todo)


def _configured_llm(settings: AppSettings) -> Finding:
    from agent.llm.client import Server
    from agent.llm.structured_output import LlmError

    try:
        names = Server(settings.llm_url, settings.llm_model, timeout=PATIENCE).models()
    except LlmError as error:
        return Finding("LLM", str(error), "check --llm-url and OPENAI_API_KEY", missing=True)
    if names and settings.llm_model not in names:
        todo = f"choose one with --llm-model: {', '.join(names[:5])}"
        return Finding("LLM", f"it answers, without {settings.llm_model}", todo, missing=True)
    return Finding("LLM", f"{settings.llm_model} answers")


def _terminal(settings: AppSettings) -> Finding:
    return Finding("terminal", SHOWN[previews.choose(settings.preview, sys.stdout, os.environ)])


def _home(settings: AppSettings) -> Finding:
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        said = f"{home} cannot be written ({error.strerror or error})"
        return Finding("home", said, "choose another with --home DIR", missing=True)
    return Finding("home", f"{home}, {decimal(shutil.disk_usage(home).free)} free")
