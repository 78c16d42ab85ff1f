"""Conversations over HTTP, and the web page that talks through it."""
