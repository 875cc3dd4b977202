"""The two paths: ``outbound.py`` and ``inbound.py`` are the files to read first."""

from .admission import Admission
from .counting import Counting
from .delivery import Delivery
from .duties import Duties
from .flights import Flights
from .gateway import Gateway, Mirrored, View
from .inbound import Inbound
from .legs import Legs, Peer
from .lives import Lives
from .outbound import Outbound
from .register_book import RegisterBook
from .registrar import Asked, Registrar
from .replies import Replies
from .responses import Responses
from .stages import Finished, Submission
from .topology import Topology

__all__ = [
    "Admission",
    "Asked",
    "Counting",
    "Delivery",
    "Duties",
    "Finished",
    "Flights",
    "Gateway",
    "Inbound",
    "Legs",
    "Lives",
    "Mirrored",
    "Outbound",
    "Peer",
    "RegisterBook",
    "Registrar",
    "Replies",
    "Responses",
    "Submission",
    "Topology",
    "View",
]
