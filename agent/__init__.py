"""The conversation: messages become plans, plans become turns, turns form a tree."""
