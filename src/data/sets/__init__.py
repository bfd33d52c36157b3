"""Named data sets, one file for each family; they download what they need and verify it."""
