"""The passes over a scene before its tiles are cleared: detection, context, filled-in ground, other dates."""
