"""Other dates of the place: transfer of their ground into the scene, and its expected error."""
