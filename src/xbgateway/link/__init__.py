"""The peer link: replication of pairwise logs, and the channels it and the services run on."""

from .backends import Backends
from .channels import PeerChannels
from .mirror import Mirrors
from .peers import LinkPeers
from .segments import Segments
from .writer import Writers

__all__ = ["Backends", "LinkPeers", "Mirrors", "PeerChannels", "Segments", "Writers"]
