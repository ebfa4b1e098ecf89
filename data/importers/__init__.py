"""Importers of published and of plain formats: each turns files into planned samples for `data.importing`."""
