"""The page of the report: its templates, the charts of a summary, and their wording."""
