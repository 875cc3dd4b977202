"""``python -m xbgateway`` and the ``xbgateway`` command.

Nothing of the gateway is imported before the environment is set: gRPC reads its cipher suites when
it is first imported. With our ECDSA certificates the one suite below leaves TLS 1.2 nothing that
works, so that a node refuses it in the handshake already; TLS 1.3 has suites of its own.
"""

import os


def main() -> None:
    """The command line; ends the process with its exit code."""
    os.environ.setdefault("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384")
    from xbgateway.cli import main as command_line  # noqa: PLC0415 - after the environment is set

    command_line()


if __name__ == "__main__":
    main()
