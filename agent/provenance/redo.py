"""`palimpsest redo`: make a picture again by its recipe, and say whether it is the same."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from agent.bootstrap import Refusal, settings_of
from agent.exit_codes import BROKEN, DONE, FAILED, MISSING, STOPPED, UNREADABLE
from agent.provenance.show_recipe import SHORT, recipe_in
from agent.provenance.signing import signer_of
from agent.settings import AppSettings
from agent.terminal.file_io import export
from tools import provenance
from tools.edit_picture import EditError, ModelMissing
from tools.pictures import Opened, PictureError, PictureStore, open_picture, picture_hash
from tools.redo import RecipeError, Step, chain_of, distance, loader, remake, roots, unlike

LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "GIF", "JPEG2000")
EPILOG = """\
exit codes: 0 the picture is made again pixel for pixel, 1 it comes out different,
2 the file cannot be read or carries no recipe, 3 the model or the original is missing
"""


def main(argv: Sequence[str]) -> int:
    """Run `palimpsest redo` and return its exit code."""
    flags = _parser().parse_args(argv)
    try:
        return _redo(flags)
    except (PictureError, RecipeError) as error:
        return _say(str(error), UNREADABLE)
    except ModelMissing as error:
        return _say(str(error), MISSING)
    except Refusal as refusal:
        return _say(str(refusal), refusal.code)
    except (EditError, RuntimeError) as error:
        return _say(f"An edit failed: {' '.join(str(error).split())}", BROKEN)
    except KeyboardInterrupt:
        return _say("Stopped.", STOPPED)


def _say(sentence: str, code: int) -> int:
    print(f"palimpsest: {sentence}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest redo",
        description="Make a picture again by the recipe in its file, and compare.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, help="a picture that was saved here")
    add("--original", type=Path, action="append", default=[], metavar="FILE",
        help="the picture that the edits began from, if it is not in --home")  # fmt: skip
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to write the picture, replacing what is there",
    )
    add("--model", metavar="NAME", help="load this one, if the recipe names a model of your own")
    add("--device", metavar="NAME", help="cpu, cuda ...; the recipe's kind if it is there")
    add("--home", type=Path, metavar="DIR", help="where sessions and pictures are")
    add("--config", type=Path, metavar="FILE", help="a config.toml")
    return parser


def _redo(flags: argparse.Namespace) -> int:
    file: Path = flags.file.expanduser()
    settings = settings_of(flags.config, home=flags.home, model=flags.model, device=flags.device)
    chain = chain_of(recipe_in(file))
    begin = _originals(roots(chain), flags.original, settings)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="palimpsest-") as folder:
        store, made = PictureStore(Path(folder)), []
        for opened in begin:
            store.remember(store.put(opened.image, own=opened.own), opened.source)
        again = remake(chain, store, loader(settings.model, settings.device))
        for number, name in enumerate(again, 1):
            same = "as then" if name == chain[number - 1].picture else "not as then"
            print(f"  edit {number} of {len(chain)}: {same}", file=sys.stderr)
            made.append(name)
        seconds = time.perf_counter() - started
        done = _Again(file, chain, tuple(made), store)
        print("\n".join(done.verdict(seconds)))
        if flags.out:
            sign = signer_of(settings, store)
            saved = export(
                store.path(made[-1]), flags.out, name=file.name, overwrite=True, sign=sign
            )
            print(f"Saved to {saved}.")
        return DONE if done.identical else FAILED


def _originals(needed: tuple[str, ...], files: list[Path], settings: AppSettings) -> list[Opened]:
    """Find the pictures that edits began from, among the files given and in the store.

    Raises:
        Refusal: One is missing.
    """
    opened = [open_picture(file, max_megapixels=settings.max_megapixels) for file in files]
    given = {picture_hash(picture.image): replace(picture, own=None) for picture in opened}
    given |= {picture.name: picture for picture in opened}  # recipes of before know no own pixels
    store = PictureStore(settings.home / "pictures")
    found = []
    for name in needed:
        if name not in given and name not in store:
            other = (
                ", which is none of the files given" if given else "; name it with --original FILE"
            )
            raise Refusal(f"The original {name[:SHORT]} is not in {store.folder}{other}.", MISSING)
        kept = given.get(name)
        found.append(kept or _held(store, name))
    return found


def _held(store: PictureStore, name: str) -> Opened:
    return Opened(store.image(name), source=store.source(name), own=store.own(name))


@dataclass(frozen=True)
class _Again:
    """A picture that was made again, beside the one in the file."""

    file: Path
    chain: tuple[Step, ...]
    made: tuple[str, ...]
    """Hashes of what every edit made now."""
    store: PictureStore

    @property
    def identical(self) -> bool:
        """Whether it is the picture of the recipe, and that the one of the file, if it can be."""
        return self.made[-1] == self.chain[-1].picture and (self._lossy or not self._altered)

    @property
    def _lossy(self) -> bool:
        with Image.open(self.file) as image:
            return image.format in LOSSY or image.has_transparency_data

    @property
    def _altered(self) -> bool:
        return open_picture(self.file).name != self.chain[-1].picture

    def verdict(self, seconds: float) -> list[str]:
        """Say whether it is the same, else how different it is and why it may be."""
        work = f"{len(self.chain)} edit{'s' if len(self.chain) > 1 else ''}, {seconds:.1f} s"
        if self.identical:
            what = f"the picture that {self.file} was saved from" if self._altered else self.file
            return [f"Identical: {what} was made again pixel for pixel ({work})."]
        shown, now = open_picture(self.file).image, self.store.image(self.made[-1])
        if shown.size != now.size:
            return [f"Different: {self.file} has another size than what its recipe makes ({work})."]
        psnr, most = distance(shown, now)
        lines = [f"Different: PSNR {psnr:.1f} dB, largest difference {most} of 255 ({work})."]
        return lines + [f"  {reason}" for reason in self._reasons()]

    def _reasons(self) -> list[str]:
        if self.made[-1] == self.chain[-1].picture:
            return ["The recipe makes the picture it always made: the file was changed afterwards."]
        reasons: dict[str, None] = {}
        for then, name in zip(self.chain, self.made, strict=True):
            now = provenance.read(self.store.path(name)) or {}
            reasons |= dict.fromkeys(unlike(then.model_dump(), now))
        first = next(n for n, step in enumerate(self.chain) if step.picture != self.made[n])
        lossy = ["The file has lost something too, being saved in a lossy format."]
        return [
            f"It went another way at edit {first + 1} of {len(self.chain)}.",
            *(reasons or {"Nothing else is known to differ.": None}),
            *(lossy if self._lossy else []),
        ]
