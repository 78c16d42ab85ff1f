"""A chat here whose engine is a `palimpsest serve` elsewhere (``--engine URL``)."""
