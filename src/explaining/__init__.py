"""What the inside of runs shows, measured, written and drawn side by side; and while they train."""
