"""Vectors by slot in inverted lists (IVF), changed and laid out anew while they are searched."""
