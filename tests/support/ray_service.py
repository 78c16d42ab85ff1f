"""The service on the Ray cluster at RAY_ADDRESS, or on one of its own, and why there is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import postgres_server
import stub_editors
from paths import ROOT

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # it would leave a token in the developer's home
    "RAY_agent_register_timeout_ms": "600000",  # on a busy machine Ray's processes begin slowly
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_worker_niceness": "0",  # Ray gives way to all others, which on a busy machine is for ever
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "600",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "600",
}


def missing() -> str:
    """Say what is missing; "" if nothing is."""
    if find_spec("ray") is None:
        return "needs Ray: pip install '.[ray]'"
    return postgres_server.missing()


@contextmanager
def on_ray(
    folder: Path, database: str, people: dict[str, str], *, step: float, **given: str
) -> Iterator[str]:
    """Serve, with stubs of the model; lends the address.

    Args:
        folder: For homes, pictures and what the stubs log.
        database: The address of Postgres.
        people: Token to name.
        step: Seconds of a step of the stubs.
        given: What `agent.serve.ray.application` takes beside that.
    """
    (folder / "log").mkdir(parents=True)
    (folder / "tokens").write_text("".join(f"{t} {name}\n" for t, name in people.items()))
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "support")))
    stubs = {
        "PYTHONPATH": path, stub_editors.STEP: str(step), stub_editors.LOG: str(folder / "log"),
    }  # fmt: skip
    os.environ |= SETTINGS | stubs
    import ray
    from ray import serve

    from agent.serve.ray import application

    told = {
        "tokens": str(folder / "tokens"), "home": str(folder / "home"), "offline": "true",
        "database": database, "pictures": str(folder / "pictures"),
    }  # fmt: skip
    own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": 8, "include_dashboard": False}
    ray.init(**own, runtime_env={"env_vars": stubs}, log_to_driver=False, configure_logging=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": (port := free_port())})
        serve.run(application(told | given, stub_editors.stub), name="palimpsest")
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
    return port
