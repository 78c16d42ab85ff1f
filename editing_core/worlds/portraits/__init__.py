"""The portraits, second edition: at any size and shape, with a FLUX that is in training."""
