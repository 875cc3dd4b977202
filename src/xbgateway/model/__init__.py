"""Frozen values, the entry vocabulary, reasons and limits. Imports nothing but the library."""
