"""The user's own files: tables, arrays, text and sound, one file for each form."""
