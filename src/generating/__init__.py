"""Continue the start of a sequence with a trained network: music, text, sound."""
