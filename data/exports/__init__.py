"""Exports: one `Source` that says what goes out, and a module a format that writes it."""
