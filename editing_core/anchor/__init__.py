"""AnchorEdit: an editor that remembers every turn in a causal memory."""
