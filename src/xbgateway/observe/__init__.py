"""Log set-up, metrics and their exposition. Nothing of the domain, and no personal data."""

from xbgateway.observe.exposition import Exposition
from xbgateway.observe.logs import ALLOWED_KEYS, configure_logging
from xbgateway.observe.metrics import Metrics

__all__ = ["ALLOWED_KEYS", "Exposition", "Metrics", "configure_logging"]
