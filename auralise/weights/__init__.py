"""How a file becomes a network: foreign files are read as data, never run."""
