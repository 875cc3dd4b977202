"""The two paths: ``outbound.py`` and ``inbound.py`` are the files to read first."""

from .admission import Admission
from .counting import Counting
from .delivery import Delivery
from .duties import Duties
from .flights import Flights
from .gateway import Gateway, Mirrored, View
from .inbound import Inbound
from .legs import Legs, Peer
from .outbound import Outbound
from .replies import Replies
from .responses import Responses
from .stages import Finished, Submission
from .topology import Topology

__all__ = [
    "Admission",
    "Counting",
    "Delivery",
    "Duties",
    "Finished",
    "Flights",
    "Gateway",
    "Inbound",
    "Legs",
    "Mirrored",
    "Outbound",
    "Peer",
    "Replies",
    "Responses",
    "Submission",
    "Topology",
    "View",
]
