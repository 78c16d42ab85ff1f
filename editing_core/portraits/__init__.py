"""What both editions of the portraits share, and the first edition: its drawing and its FLUX."""
