"""Models behind one interface: five families, where weights are, how they fit into memory."""
