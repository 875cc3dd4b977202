"""Benchmarks: the product against a bare relay, and what its parts cost alone.

``python -m bench`` runs all sections, ``python -m bench exchange`` one. Figures go to standard
error while they are made, the ratios as JSON to standard output at the end, everything to
``var/bench/``. Nothing here is part of the installed package.
"""
