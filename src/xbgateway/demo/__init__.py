"""Synthetic people, reference agencies and stories. Only a client of the gateway."""
