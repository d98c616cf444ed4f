"""What goes wrong: the catalogue of faults, and plans made of them. Data, no code."""
