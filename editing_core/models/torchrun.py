"""Which of torchrun's processes this is, told without loading torch."""

import os


def processes() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def follower() -> bool:
    """Whether another process leads."""
    return int(os.environ.get("RANK", "0")) > 0
