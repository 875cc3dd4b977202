"""The two paths: ``outbound.py`` and ``inbound.py`` are the files to read first."""

from .admission import Admission
from .approvals import Approvals
from .attachments import Attachments
from .attention import Attention
from .calls import Calls
from .cancelling import Cancelling
from .counting import Counting
from .crossing import Crossing
from .delivery import Delivery
from .desk import Desk, HoldView, Officer
from .duties import Duties
from .flights import Flights
from .gateway import Gateway
from .holds import Holds
from .inbound import Inbound
from .inbox import Inbox
from .legs import Legs, Peer
from .lives import Lives
from .moving import StreamLaw
from .outbound import Outbound
from .ports import CaseLaw, CaseRunner, Mirrored
from .queue import Queue
from .quotas import Quotas
from .register_book import RegisterBook
from .registrar import Asked, Registrar
from .replies import Replies
from .responses import Responses
from .revisions import ProposalView, Revisions
from .revoking import Revoking
from .room import Room
from .stages import Finished, Submission
from .topology import Topology
from .unsent import Unsent
from .uploads import Uploads
from .views import View

__all__ = [
    "Admission",
    "Approvals",
    "Asked",
    "Attachments",
    "Attention",
    "Calls",
    "Cancelling",
    "CaseLaw",
    "CaseRunner",
    "Counting",
    "Crossing",
    "Delivery",
    "Desk",
    "Duties",
    "Finished",
    "Flights",
    "Gateway",
    "HoldView",
    "Holds",
    "Inbound",
    "Inbox",
    "Legs",
    "Lives",
    "Mirrored",
    "Officer",
    "Outbound",
    "Peer",
    "ProposalView",
    "Queue",
    "Quotas",
    "RegisterBook",
    "Registrar",
    "Replies",
    "Responses",
    "Revisions",
    "Revoking",
    "Room",
    "StreamLaw",
    "Submission",
    "Topology",
    "Unsent",
    "Uploads",
    "View",
]
