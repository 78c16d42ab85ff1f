"""Models behind one interface: FLUX.1, where its weights are, how they fit into memory."""
