"""A gateway through which two jurisdictions exchange government data, provably."""

__version__ = "0.1.0"
