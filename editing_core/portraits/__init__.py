"""The shipped world: drawn people whose every attribute is known, and the FLUX trained on it."""
