"""The detector over whole scenes and dates, and what it found, kept on the disk."""
