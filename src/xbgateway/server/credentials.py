"""The node's transport identity as gRPC takes it, renewed from disk while the node serves.

New files reach new connections at once, and running ones through the trust store, which forgets
its verdicts; connections end after ``CONNECTION_AGE_S_MAX`` anyway (pitfalls 18 and 19). A bad set
of files changes nothing: the last good one stays in use and ``CertificateFiles.error`` says why.
"""

import asyncio
from collections.abc import Callable

import grpc
import structlog
from cryptography import x509

from xbgateway.identity import CertificateFiles, CertificateSet, TrustStore
from xbgateway.observe import Metrics

_log = structlog.get_logger("xbgateway.server")


class Credentials:
    """Keeps gRPC, the trust store and whoever else asks on the newest good certificates."""

    def __init__(self, files: CertificateFiles, trust: TrustStore, metrics: Metrics) -> None:
        self._files = files
        self._trust = trust
        self._metrics = metrics
        self._told: str | None = None
        self.on_change: list[Callable[[CertificateSet], None]] = []
        self._measure()

    @property
    def current(self) -> CertificateSet:
        """The set in use."""
        return self._files.current

    def for_server(self) -> grpc.ServerCredentials:
        """Credentials for one port: client certificates are required.

        gRPC asks for news on a thread of its own for each new connection, so nothing is read from
        disk there. It gets the union of all roots: it knows no trust domains, and which of them
        may vouch for whom is checked in :mod:`~xbgateway.server.identity` for every call, with an
        answer that says what is wrong.
        """
        given = self._files.current

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            newest = self._files.current
            if newest is given:
                return None
            given = newest
            return _configuration(newest)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(given),
            fetch,  # type: ignore[arg-type]  # None says "unchanged"; the stubs do not know
            require_client_authentication=True,
        )

    async def poll(self) -> bool:
        """Look at the files once; whether there is a new set. Raises nothing."""
        changed = await asyncio.to_thread(self._files.poll)
        if changed:
            self._trust.reload(self.current.roots, self.current.crls)
            self._measure()
            _log.info("certificates taken anew")
            for tell in self.on_change:
                tell(self.current)
        error = self._files.error
        self._tell(str(error.reason) if error else None)
        return changed

    def _tell(self, reason: str | None) -> None:
        """Log a bad set of files once, not at every poll."""
        if reason is not None and reason != self._told:
            _log.error("certificates not taken", reason=reason, exc_info=self._files.error)
        self._told = reason

    def _measure(self) -> None:
        leaf = x509.load_pem_x509_certificate(self.current.chain)
        self._metrics.certificate_expiry_seconds.labels("transport").set(
            leaf.not_valid_after_utc.timestamp()
        )


def _configuration(found: CertificateSet) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(found.key, found.chain)], root_certificates=found.root_union
    )
