"""Analysis of finished runs: reading, pairing, testing, and wording the verdicts."""
