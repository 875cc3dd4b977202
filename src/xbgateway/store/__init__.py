"""The one transactional store: entries, trees, mirrors, pending rows, results and registers.

One writer with group commit moves everything in one transaction; readers are read-only
connections beside it. Nothing here decides anything.
"""

from .cases import CaseRows
from .deliveries import DeliveryRows
from .duties import DutyRows
from .lock import StoreLock
from .logbook import Logbook
from .opening import LogSpec
from .proposals import ProposalRows
from .segments import SegmentFiles
from .sqlite_file import SqliteStore
from .streams import StreamRows
from .writer import Store

__all__ = [
    "CaseRows",
    "DeliveryRows",
    "DutyRows",
    "LogSpec",
    "Logbook",
    "ProposalRows",
    "SegmentFiles",
    "SqliteStore",
    "Store",
    "StoreLock",
    "StreamRows",
]
