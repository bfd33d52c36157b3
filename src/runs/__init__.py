"""What a run is: its identity, its directory on disk, and how it is read back."""
