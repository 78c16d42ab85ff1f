"""A session for others to see: a page, a sheet of pictures, a film."""
