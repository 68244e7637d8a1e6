"""Errors that every part of the project may raise. Standard library only."""


class HomeError(Exception):
    """The state folder cannot be used: unwritable, or written by another version."""
