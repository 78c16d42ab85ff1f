"""Whether saved files are signed, by which certificate."""

from __future__ import annotations

from pathlib import Path

from agent.bootstrap import Refusal
from agent.exit_codes import MISSING
from agent.settings import AppSettings
from tools.pictures import PictureStore
from tools.provenance import Recipe, opened_as
from tools.saving import Sign


def signer_of(settings: AppSettings, store: PictureStore | None = None) -> Sign | None:
    """Return what signs saved files, or None if no certificate is configured.

    Args:
        settings: With ``c2pa_certificate`` and ``c2pa_key``, or neither.
        store: Where the originals are; the home's by default.

    Raises:
        Refusal: Only one is given, or they cannot be used.
    """
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise Refusal("Content Credentials need both c2pa_certificate and c2pa_key.", MISSING)
    from tools.credentials import Credentials, CredentialsError

    pictures = store or PictureStore(settings.home / "pictures")
    try:
        credentials = Credentials.load(certificate, key)
    except CredentialsError as error:
        raise Refusal(str(error), MISSING) from None

    def sign(file: Path, form: str, recipe: Recipe) -> None:
        credentials.sign(file, form, recipe, pictures.path(opened_as(recipe)))

    return sign
