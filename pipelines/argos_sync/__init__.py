"""ARGOS Identity ID Check submissions in a warehouse: correct, private, fast."""

__version__ = "0.1.0"
