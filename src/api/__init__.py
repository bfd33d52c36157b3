"""What a script or notebook calls: a run from data in memory, and the run as an object."""
