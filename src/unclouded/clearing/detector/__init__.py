"""The detector on whole scenes and dates, with its results cached on the disk."""
