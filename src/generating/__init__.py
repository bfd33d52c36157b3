"""Trained networks go on from the start of a sequence: music, text, sound."""
