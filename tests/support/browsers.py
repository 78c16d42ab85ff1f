"""The browser of the tests of the page, and why there is none."""

import shutil
from importlib.util import find_spec

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str:
    """Say what is missing; "" if nothing is."""
    if find_spec("playwright") is None:
        return "needs a browser: pip install '.[browser]'"
    return "" if CHROMIUM else f"needs a browser on this machine: {' or '.join(NAMES)}"
