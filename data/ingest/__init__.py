"""Imagery for given sites from STAC APIs: where the sites come from, what is fetched, how it becomes a collection."""
