"""The portraits at any size and on canvases of any shape, and the FLUX trained on them."""
