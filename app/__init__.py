"""Usher."""
