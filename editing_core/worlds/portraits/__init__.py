"""The portraits, second edition: drawn at any size and shape, with a model that is in training."""
