"""Reads runs and returns tables, pictures and pages."""
