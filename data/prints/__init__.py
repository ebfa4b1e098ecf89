"""Figures to take away: maps, seasons, matrices and scores as PNG, SVG and CSV."""
