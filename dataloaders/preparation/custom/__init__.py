"""Data sets of one's own: forms that are recognized, each in a module of its own."""
