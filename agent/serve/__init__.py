"""Conversations over HTTP, and the web page that user through it."""
