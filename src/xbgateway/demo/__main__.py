"""``python -m xbgateway.demo``: the story, or the same processes left running to play with."""

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from xbgateway.client import GatewayCallError
from xbgateway.demo.cluster import Cluster, Ports
from xbgateway.demo.story import SCENES, DidNotHold, tell

# Fixed, so that what ``up`` prints can be typed again after a restart.
_UP_PORTS = {
    "zhuhai": Ports(17440, 17443, 17449, 17445),
    "macao": Ports(18440, 18443, 18449, 18445),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m xbgateway.demo", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    story = verbs.add_parser("story", help="run the main job as a story and end")
    story.add_argument(
        "--case", choices=sorted(SCENES), action="append", help="only this scene; may be repeated"
    )
    story.add_argument("--keep", type=Path, help="keep stores, logs and receipts in this folder")
    up = verbs.add_parser("up", help="leave everything running until Ctrl-C and say how to call it")
    up.add_argument("--folder", type=Path, default=Path("var/demo"), help="stores and settings")
    up.add_argument("--for", dest="seconds", type=float, help="stop by itself after this long")
    for each in (story, up):
        each.add_argument("--certificates", type=Path, default=Path("certs-dev"))
    return parser.parse_args()


async def _story(asked: argparse.Namespace, console: Console) -> int:
    started = time.monotonic()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="xbgateway-demo-"))
    cluster = Cluster(folder, asked.certificates)
    try:
        with console.status("Making certificates, a register and a synthetic population …"):
            cluster.prepare()
        with console.status("Starting two agencies and two nodes on loopback …"):
            await cluster.start()
        up = time.monotonic() - started
        console.print(f"Zhuhai and Macao are up, each with its agency ({up:.1f} s).\n", style="dim")
        await tell(cluster, console, asked.case or list(SCENES))
    except (DidNotHold, GatewayCallError, RuntimeError) as error:
        console.print(f"The story broke off: {error}", style="red")
        return 1
    finally:
        await cluster.stop()
        if asked.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - started
    console.print(f"Everything held. Both nodes drained and stopped ({took:.1f} s).", style="dim")
    return 0


async def _up(asked: argparse.Namespace, console: Console) -> int:
    cluster = Cluster(asked.folder, asked.certificates, ports=dict(_UP_PORTS))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        cluster.prepare()
        await cluster.start()
        console.print(_how_to_call(cluster), highlight=False, soft_wrap=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), asked.seconds)
    finally:
        await cluster.stop()
    return 0


def _how_to_call(cluster: Cluster) -> str:
    home = cluster.certificates / "zhuhai" / "parties" / "cn.hengqin.window"
    trust = cluster.certificates / "trust" / "zhuhai.xbg.test.pem"
    port = cluster.ports["zhuhai"].client
    return f"""Everything runs. Stores, settings and logs are in {cluster.folder}; stop with Ctrl-C.

With grpcurl, as the Hengqin window, through the Zhuhai node to the Macao fund:

  TOKEN=$(.venv/bin/xbgateway token mint --party cn.hengqin.window \\
    --key {home}/token.key --cert {home}/tls.crt \\
    --node spiffe://zhuhai.xbg.test/node/zhuhai)
  grpcurl -cacert {trust} -cert {home}/tls.crt -key {home}/tls.key \\
    -H "authorization: Bearer $TOKEN" -H "xb-request-id: $(cat /proc/sys/kernel/random/uuid)" \\
    -H "xb-sent-at: $(date -u +%FT%TZ)" -H "xb-purpose: CONTRIB_QUERY" -H "xb-scenario: SC-CQ" \\
    -d '{{"pidToken": "pt_eu6zkdyr5pn6wtbnktcxqa66w2", "fssNo": "SYN000001"}}' \\
    localhost:{port} xbgateway.api.socialsecurity.v1.ContributionService/QueryContributions

With the SDK (docs/developers.md), three lines to an answer and its receipt:

  async with Gateway.connect("localhost:{port}", certificate=…, key=…, roots=…, …) as node:
      stub = ContributionServiceStub(node.channel(purpose="CONTRIB_QUERY", scenario="SC-CQ"))
      answer, receipt = await node.call(stub.QueryContributions, request)

Look inside:

  .venv/bin/xbgateway log verify {cluster.store("zhuhai")} --register {cluster.register}
  curl -s localhost:{cluster.ports["zhuhai"].metrics}/metrics | grep ^xbgateway_
"""


def main() -> int:
    """Exit code 0 when every claim of the story held."""
    asked = _arguments()
    console = Console(highlight=False)
    run = _story if asked.verb == "story" else _up
    return asyncio.run(run(asked, console))


if __name__ == "__main__":
    sys.exit(main())
