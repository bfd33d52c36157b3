"""Named data sets, one file per family; they download and verify their files."""
