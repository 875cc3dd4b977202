"""The peer link: replication of pairwise logs, and the channels it and the services run on."""

from .backends import Backends
from .channels import PeerChannels
from .mirror import Mirrors
from .writer import Writers

__all__ = ["Backends", "Mirrors", "PeerChannels", "Writers"]
