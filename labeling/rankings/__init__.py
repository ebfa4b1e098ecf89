"""Rankings: which samples to look at next, and why. One small module each; `registry` names them all.

Each module has `ranked(workspace, collection, *, limit, seed, ...)`, a plain function that reads, works the order out, and
returns at most `limit` entries, the first to look at first. `labeling.worklists` stores what it returns as a queue whose order stays.
"""
