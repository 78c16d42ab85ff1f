"""compose.yaml, as far as it can be looked at without Docker: it names what is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from paths import ROOT

from agent.serve.command import PORT, parser
from agent.settings import AppSettings

FILE = ROOT / "agent" / "serve" / "compose.yaml"
OF_FSSPEC = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_settings_and_flags_are_ours(compose: Any) -> None:
    ours = compose["services"]["palimpsest"]
    known = {f"PALIMPSEST_{name.upper()}" for name in AppSettings.model_fields}
    assert set(ours["environment"]) <= known | OF_FSSPEC
    assert {"PALIMPSEST_DATABASE", "PALIMPSEST_PICTURES"} <= set(ours["environment"])
    program, command, *flags = shlex.split(ours["command"])
    assert (program, command) == ("palimpsest", "serve")
    for given in (flags, [*flags, "--gpus", "1", "--model", "flux-dev"]):  # the second is advised
        parsed = parser("serve").parse_args(given)
        assert parsed.ray and str(parsed.tokens) == f"/run/secrets/{ours['secrets'][0]}"
    assert ours["ports"] == [f"{PORT}:{PORT}"] and parsed.port == PORT


def test_services_volumes_secrets_and_extras_exist(compose: Any) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert {v.partition(":")[0] for v in service.get("volumes", ())} <= set(compose["volumes"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert "image" in service or "build" in service
    environment = services["palimpsest"]["environment"]
    hosts = re.findall(r"@(\w+)/|//(\w+):\d+", " ".join(environment.values()))
    assert {host for pair in hosts for host in pair if host} == {"postgres", "minio"}
    image = services["palimpsest"]["build"]["dockerfile_inline"]
    wanted = set(re.search(r"'\.\[(.*)\]'", image)[1].split(","))  # type: ignore[index]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert wanted <= set(extras["optional-dependencies"]) and {"web", "ray"} <= wanted


def test_nothing_is_asked_of_the_reader_but_what_the_head_says() -> None:
    head, _, rest = FILE.read_text(encoding="utf-8").partition("\nname:")
    assert set(re.findall(r"\$\{(\w+)\}", rest)) == {"PASSWORD"} and "PASSWORD" in head


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="needs docker-compose")
def test_docker_compose_takes_it() -> None:
    told = ["docker-compose", "-f", str(FILE), "config", "--quiet"]
    subprocess.run(told, check=True, env=os.environ | {"PASSWORD": "secret"}, timeout=300)
