"""The two paths: ``outbound.py`` and ``inbound.py`` are the files to read first."""

from .admission import Admission
from .gateway import Gateway, View
from .inbound import Inbound
from .legs import Legs, Peer
from .outbound import Outbound
from .stages import Finished, Submission
from .topology import Topology

__all__ = [
    "Admission",
    "Finished",
    "Gateway",
    "Inbound",
    "Legs",
    "Outbound",
    "Peer",
    "Submission",
    "Topology",
    "View",
]
