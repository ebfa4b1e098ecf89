"""Commands of `python -m data`, a module each; imported when they are called."""
