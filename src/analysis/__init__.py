"""Finished runs become an answer: read, paired, tested, put into words."""
