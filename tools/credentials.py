"""Content Credentials (C2PA): a signed statement inside a file of how its picture was made.

Needs the extra ``c2pa`` and a certificate of the person's own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import __version__
from tools.pictures import PictureError
from tools.provenance import Recipe

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
}
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
RECIPE_LABEL = "palimpsest.recipe"
SETTINGS = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_trust": False}}
"""No small copy of the original goes into the file, and whom to trust is left to those who read."""


class CredentialsError(Exception):
    """Files cannot be signed as configured; the message is one sentence for the person."""


@dataclass(frozen=True)
class Credentials:
    """A certificate and its key; ``load`` is the way in."""

    chain: str
    """PEM: the signer's certificate first, then those that vouch for it."""
    key: str = field(repr=False)
    """PEM, PKCS 8."""
    algorithm: str
    """As C2PA calls it, such as "es256"."""

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Credentials:
        """Read a certificate and its key.

        Raises:
            CredentialsError: The extra is not installed, or the files are not what they should be.
        """
        try:
            import c2pa  # noqa: F401
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        except ImportError:
            raise CredentialsError(
                "Content Credentials need the extra c2pa: pip install 'palimpsest[c2pa]'."
            ) from None
        try:
            chain, secret = (path.expanduser().read_text("ascii") for path in (certificate, key))
            algorithm = _algorithm(load_pem_private_key(secret.encode(), password=None))
        except OSError as error:
            raise CredentialsError(
                f"The file {error.filename} for Content Credentials cannot be read: "
                f"{error.strerror}."
            ) from None
        except (ValueError, TypeError) as error:
            raise CredentialsError(
                f"The key {key} for Content Credentials cannot be used: {error}."
            ) from None
        return cls(chain, secret, algorithm)

    def sign(self, file: Path, form: str, recipe: Recipe, original: Path) -> None:
        """Put a signed manifest into a file: what was opened, that it was edited, the recipe.

        Args:
            file: A picture that was just written; replaced by its signed self.
            form: Pillow's name of its format.
            recipe: What made the picture.
            original: The PNG that the chain of edits began from.

        Raises:
            PictureError: The format carries no credentials, or the certificate was refused.
        """
        import c2pa

        if form not in MEDIA_TYPES:
            raise PictureError(f"{form} files cannot carry Content Credentials; try .png or .jpg.")
        signed = file.with_name(f"{file.stem}-signed{file.suffix}")
        info = c2pa.C2paSignerInfo(self.algorithm, self.chain.encode(), self.key.encode(), None)
        try:
            with (
                c2pa.Context.from_dict(SETTINGS) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(_manifest(recipe), context) as builder,
                original.open("rb") as parent,
                file.open("rb") as plain,
                signed.open("w+b") as target,
            ):
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
                builder.add_ingredient(_INGREDIENT, MEDIA_TYPES["PNG"], parent)
                builder.sign(signer, MEDIA_TYPES[form], plain, target)
            os.replace(signed, file)
        except c2pa.C2paError as error:
            raise PictureError(f"The file cannot be signed: {error}.") from None
        finally:
            signed.unlink(missing_ok=True)


_INGREDIENT = {"title": "original", "relationship": "parentOf"}


def _algorithm(key: Any) -> str:
    """Name the signature that a key is for."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[key.key_size]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError("its kind signs no Content Credentials (EC, RSA and Ed25519 do)")


def _manifest(recipe: Recipe) -> dict[str, Any]:
    """State what was done, in the words of C2PA and IPTC."""
    drawn = recipe.get("method") == "regenerate"  # nothing of the picture before is in it
    media = "trainedAlgorithmicMedia" if drawn else "compositeWithTrainedAlgorithmicMedia"
    agent = {"name": "Palimpsest", "version": __version__}
    edited = {
        "action": "c2pa.edited",
        "digitalSourceType": SOURCE_TYPES + media,
        "softwareAgent": agent,
    }
    return {
        "claim_generator_info": [agent],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [edited]}},
            {"label": RECIPE_LABEL, "data": recipe},
        ],
    }
