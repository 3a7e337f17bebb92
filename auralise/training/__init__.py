"""How a network learns, and how good it is."""
