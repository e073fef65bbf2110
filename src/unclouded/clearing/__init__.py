"""The passes over a scene, on one machine or several, into files or arrays."""
