"""Importers of published data sets: what their files say, as collections."""
