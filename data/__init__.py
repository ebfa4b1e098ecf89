"""Everything below the curator and the model: the store, the pixels, the indices and the ways in and out.

Imports nothing else of ours; `labeling` and `modeling` stand on it.
"""
