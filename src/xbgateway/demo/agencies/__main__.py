"""``python -m xbgateway.demo.agencies``: one agency on loopback, called by its node only.

Prints one JSON line when it serves. Stops on SIGTERM or SIGINT, after ``--stop-after``, and when
the process that started it is gone (unless ``--stay``), so a demo leaves nothing behind.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from datetime import date
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from xbgateway.api.socialsecurity.v1 import (
    contribution_pb2_grpc,
    identity_pb2_grpc,
    life_pb2_grpc,
    overpayment_pb2_grpc,
    pension_pb2_grpc,
)
from xbgateway.demo.agencies import fss, hrss
from xbgateway.demo.agencies.desk import Desk
from xbgateway.demo.agencies.identity import Identities
from xbgateway.demo.agencies.ledger import Ledger, WrongRegister
from xbgateway.demo.population import COUNT, VERSION, cached

PACKAGE = "xbgateway.api.socialsecurity.v1"
SERVICES = {
    "mo.fss": ("ContributionService", "ProofOfLifeService", "IdentityService"),
    "cn.zhuhai.hrss": ("PensionVerificationService", "OverpaymentService"),
}
# Answers under way get this long after SIGTERM.
GRACE_S = 5.0
# How soon an agency notices that its parent is gone.
PARENT_CHECK_S = 0.5
# Pings below this interval are answered with a hang-up; clients ping every 60 s.
PING_INTERVAL_MIN_MS = 20_000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m xbgateway.demo.agencies", description=__doc__)
    add = parser.add_argument
    add("--agency", choices=sorted(SERVICES), required=True)
    add("--register", type=Path, required=True, help="SQLite file, made when missing")
    add("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    add("--cert", type=Path, required=True, help="PEM chain of this agency")
    add("--key", type=Path, required=True, help="PEM private key of this agency")
    add("--roots", type=Path, required=True, help="PEM roots that node certificates hang under")
    add("--gateway", required=True, help="SPIFFE id of the own node: spiffe://<td>/node/<id>")
    add("--seed", type=int, default=1, help="of the synthetic population")
    add("--count", type=int, default=COUNT, help="people in the population")
    add("--today", type=date.fromisoformat, help="the agency's calendar day, instead of the real")
    add("--stop-after", type=float, metavar="SECONDS")
    add("--answer-delay", type=float, default=0.0, metavar="SECONDS", help="after each effect")
    add("--stay", action="store_true", help="outlive the process that started this one")
    return parser.parse_args()


def _open(asked: argparse.Namespace) -> Ledger:
    room = fss if asked.agency == "mo.fss" else hrss
    meta = {
        "agency": asked.agency,
        "synthetic": "true",
        "seed": str(asked.seed),
        "count": str(asked.count),
        "generator_version": str(VERSION),
    }
    # The people are made once: an agency that comes back finds them in its register.
    return Ledger(
        asked.register,
        room.SCHEMA,
        meta,
        lambda database: room.fill(database, population=cached(asked.seed, asked.count)),
    )


def _add_services(server: grpc.aio.Server, agency: str, desk: Desk) -> None:
    if agency == "mo.fss":
        contributions, proofs = fss.Contributions(desk), fss.ProofsOfLife(desk)
        contribution_pb2_grpc.add_ContributionServiceServicer_to_server(contributions, server)
        life_pb2_grpc.add_ProofOfLifeServiceServicer_to_server(proofs, server)
        identity_pb2_grpc.add_IdentityServiceServicer_to_server(Identities(desk), server)
    else:
        checks, overpayments = hrss.PensionChecks(desk), hrss.Overpayments(desk)
        pension_pb2_grpc.add_PensionVerificationServiceServicer_to_server(checks, server)
        overpayment_pb2_grpc.add_OverpaymentServiceServicer_to_server(overpayments, server)


async def _serve(asked: argparse.Namespace, ledger: Ledger) -> None:
    desk = Desk(
        ledger,
        asked.gateway,
        lambda: asked.today or date.today(),  # noqa: DTZ011 - the counter's own calendar
        asked.answer_delay,
    )
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
    )
    _add_services(server, asked.agency, desk)
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    for service in ("", *(f"{PACKAGE}.{name}" for name in SERVICES[asked.agency])):
        await state.set(service, HealthCheckResponse.SERVING)
    credentials = grpc.ssl_server_credentials(
        [(asked.key.read_bytes(), asked.cert.read_bytes())],
        root_certificates=asked.roots.read_bytes(),
        require_client_auth=True,
    )
    port = server.add_secure_port(f"127.0.0.1:{asked.port}", credentials)
    await server.start()
    print(json.dumps({"serving": asked.agency, "port": port, "pid": os.getpid()}), flush=True)
    await _until_told(asked)
    await state.enter_graceful_shutdown()
    await server.stop(GRACE_S)


async def _until_told(asked: argparse.Namespace) -> None:
    """Return on a signal, after the time that was asked for, or when the parent is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if asked.stop_after is not None:
        loop.call_later(asked.stop_after, stop.set)
    parent = os.getppid()
    while not stop.is_set() and (asked.stay or os.getppid() == parent):
        try:
            await asyncio.wait_for(stop.wait(), PARENT_CHECK_S)
        except TimeoutError:
            continue


def main() -> int:
    """Open the register, serve until told to stop, close the register."""
    asked = _arguments()
    try:
        ledger = _open(asked)
    except WrongRegister as error:
        print(f"agencies: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_serve(asked, ledger))
    finally:
        ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
