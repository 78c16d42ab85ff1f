"""The settings of one run: defaults < config.toml < environment (PALIMPSEST_*) < flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agent.options import EditOptions, RunOptions


def default_home() -> Path:
    """Return the folder that keeps sessions and pictures."""
    return Path(platformdirs.user_data_dir("palimpsest"))


def default_config() -> Path:
    """Return the configuration file that is read when none is named."""
    return Path(platformdirs.user_config_dir("palimpsest")) / "config.toml"


class AppSettings(EditOptions, RunOptions, BaseSettings):
    """The settings of one run; those with an `agent.options.Option` are flags, too.

    ``AppSettings.load(config, **flags)`` is the way in; flags that are None are left out.
    """

    model_config = SettingsConfigDict(
        env_prefix="PALIMPSEST_", extra="forbid", frozen=True, protected_namespaces=()
    )

    llm_sees: Literal["auto", "yes", "no"] = "auto"
    """Whether the LLM may be shown photographs; "auto" finds out whether it sees them."""
    llm_timeout: float = Field(default=120.0, gt=0, le=3600)
    """Seconds that the LLM has for a whole answer."""
    clip: str | None = None
    """A CLIP model (hub id or folder) that judges edits of photographs where no LLM sees."""
    clipseg: str | None = None
    """A CLIPSeg model (hub id or folder) that finds where in a picture something is, by words."""
    home: Path = Field(default_factory=default_home)
    database: str = Field(default="", repr=False)
    """Where `palimpsest serve` keeps sessions: postgresql://USER@HOST/NAME; "" for the home."""
    pictures: str = ""
    """Where it keeps pictures beside a database: a folder or s3://…; "" for the home."""
    engine_token: str = Field(default="", repr=False)
    """What `--engine` lets us in by."""
    retries: int = Field(default=2, ge=0, le=4)
    """How often an edit that fails its check is tried again."""
    c2pa_certificate: Path | None = None
    """PEM file of the certificate (and what vouches for it) that saved files are signed by."""
    c2pa_key: Path | None = None
    """PEM file of its private key."""
    max_megapixels: float = Field(default=100.0, gt=0)
    """Pictures of more pixels are refused."""

    @property
    def holding(self) -> dict[str, Any]:
        """How the model is held, as `tools.edit_picture.load_editor` takes it."""
        return {"device": self.device, "memory": self.memory, "compiled": self.compile}

    @model_validator(mode="before")
    @classmethod
    def _paired(cls, given: dict[str, Any]) -> dict[str, Any]:
        from tools.edit_picture import paired

        method, preset = paired(given.get("method") or "", given.get("preset") or "")
        return given | {"method": method, "preset": preset}

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> AppSettings:
        """Read the settings, flags above environment above file above defaults.

        Args:
            config: a TOML file; None means the user's config.toml, which may be missing.
            **flags: values from the command line; None means not given.

        Raises:
            pydantic.ValidationError: a value is of the wrong kind or unknown.
            FileNotFoundError: the named config file does not exist.
            tomllib.TOMLDecodeError: the file is not TOML.
        """
        if config is not None and not config.is_file():
            raise FileNotFoundError(f"there is no configuration file {config}")
        file = config or default_config()

        class Layered(cls):  # type: ignore[valid-type, misc]
            @classmethod
            def settings_customise_sources(
                klass,  # noqa: N804
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                **others: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
                return init_settings, env_settings, toml

        given = {name: value for name, value in flags.items() if value is not None}
        settings = Layered(**given)
        return cls.model_construct(**settings.model_dump())
