"""Whether what the settings name is there, of the right kind and closed to others."""

import os
from collections.abc import Iterator
from pathlib import Path

from xbgateway.settings import Files, Settings

_GROUP_OR_OTHERS = 0o077


def check(settings: Settings) -> list[str]:
    """What is wrong with the files that the settings name: a sentence each, beginning with the key.

    Empty when all is well. Private keys must not be open to group or others.
    """
    problems = [*_files(settings.files)]
    problems += _file("tls.cert", settings.tls.cert)
    problems += _private("tls.key", settings.tls.key)
    engine = settings.engine
    for key, path in (("engine.ca", engine.ca), ("engine.cert", engine.cert)):
        problems += _file(key, path) if path else []
    problems += _private("engine.key", engine.key) if engine.key else []
    if engine.socket and not engine.socket.is_socket():
        problems.append(f"engine.socket: {engine.socket}: not a socket")
    for party, paths in settings.tokens.items():
        for path in paths:
            problems += _file(f"tokens.{party}", path)
    problems += _trust(settings)
    return problems


def _files(files: Files) -> Iterator[str]:
    for key, made in (("files.store", files.store), ("files.segments", files.segments)):
        if made is not None:
            yield from _folder(key, made.parent, writable=True)
    yield from _folder("files.keys", files.keys)
    if files.keys.is_dir():
        for key_file in sorted(files.keys.iterdir()):
            if key_file.is_file() and key_file.suffix == ".key":
                yield from _private("files.keys", key_file)
    yield from _file("files.register_file", files.register_file)
    yield from _folder("files.roots", files.roots)
    for key, folder in (("files.policies", files.policies), ("files.crls", files.crls)):
        if folder is not None:
            yield from _folder(key, folder)


def _trust(settings: Settings) -> Iterator[str]:
    roots = settings.files.roots
    for domain in settings.clients.trust_domains:
        if roots.is_dir():
            yield from _file("clients.trust_domains", roots / f"{domain}.pem")


def _file(key: str, path: Path) -> list[str]:
    if not path.exists():
        return [f"{key}: {path}: no such file"]
    if not path.is_file():
        return [f"{key}: {path}: not a file"]
    return [] if os.access(path, os.R_OK) else [f"{key}: {path}: not readable"]


def _folder(key: str, path: Path, *, writable: bool = False) -> list[str]:
    if not path.exists():
        return [f"{key}: {path}: no such folder"]
    if not path.is_dir():
        return [f"{key}: {path}: not a folder"]
    if not os.access(path, os.R_OK | os.X_OK):
        return [f"{key}: {path}: not readable"]
    if writable and not os.access(path, os.W_OK):
        return [f"{key}: {path}: not writable"]
    return []


def _private(key: str, path: Path) -> list[str]:
    problems = _file(key, path)
    if not problems and (mode := path.stat().st_mode) & _GROUP_OR_OTHERS:
        problems.append(f"{key}: {path}: open to others (mode {mode & 0o777:04o}, wanted 0600)")
    return problems
