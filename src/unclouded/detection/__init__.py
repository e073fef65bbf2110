"""What hides the ground: a detector that has seen the world, masks a user brings, and how both become one opacity."""
