"""Trees and proofs against two other implementations, and every forgery that we can think of."""

import json
import os
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from tests.harness.scale import scaled
from tests.unit.tlog.logs import naive_root, reader_of, reason_of, tiles_of, transfers

from xbgateway.model.errors import Reason, Refused
from xbgateway.tlog import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

HASHES = [leaf_hash(entry) for entry in transfers(1200)]
STORED = tiles_of(HASHES)
ROOTS = [EMPTY_ROOT]
_growing = Frontier()
for _leaf in HASHES:
    _growing.append(_leaf)
    ROOTS.append(_growing.root())

sizes = st.integers(1, len(HASHES))


@settings(max_examples=scaled(60), deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=80))
def test_root_is_that_of_pymerkle_and_of_the_rfc(entries: list[bytes]) -> None:
    oracle = InmemoryTree(algorithm="sha256")
    for entry in entries:
        oracle.append_entry(entry)
    hashes = [leaf_hash(entry) for entry in entries]
    frontier = Frontier()
    frontier.extend(hashes)
    expected = naive_root(hashes) if entries else EMPTY_ROOT
    assert frontier.root() == root_of(hashes) == expected == oracle.get_root()


def test_roots_across_tile_borders_are_those_of_pymerkle() -> None:
    oracle = InmemoryTree(algorithm="sha256")
    for size, entry in enumerate(transfers(1200), 1):
        oracle.append_entry(entry)
        if size % 256 in (0, 1, 2, 255) or size % 97 == 0:
            assert ROOTS[size] == oracle.get_root()


@settings(max_examples=scaled(150), deadline=None)
@given(st.data())
def test_every_inclusion_proof_holds_and_no_mutation_does(data: st.DataObject) -> None:
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, reader_of(HASHES[:size]))
    verify_inclusion(index, size, HASHES[index], proof, ROOTS[size])
    for wrong in _inclusion_forgeries(index, size, proof):
        assert reason_of(Refused, verify_inclusion, *wrong) is Reason.PROOF_INVALID


def _inclusion_forgeries(
    index: int, size: int, proof: tuple[bytes, ...]
) -> Iterator[tuple[Any, ...]]:
    leaf, root = HASHES[index], ROOTS[size]
    for other in {index + 1, index - 1, index ^ 2, index ^ 1, -1, size, 2**64 - 1} - {index}:
        yield other, size, leaf, proof, root
    # A wrong size may keep the path's shape; only a size that changes the shape must fail.
    yield index, 0, leaf, proof, root
    yield index, 2 * size + 1, leaf, proof, root
    if size > 1:
        yield index, size, leaf, (), root
    yield index, size, leaf, proof, EMPTY_ROOT
    # One step too many, to a root that fits it.
    yield index, size, leaf, (*proof, root), node_hash(root, root)
    yield index, size, leaf, proof, _flip(root)
    yield index, size, leaf, proof, root[:31]
    yield index, size, _flip(leaf), proof, root
    yield index, size, leaf[:31], proof, root
    for path in _broken_paths(proof, root):
        yield index, size, leaf, path, root


@settings(max_examples=scaled(150), deadline=None)
@given(st.data())
def test_every_consistency_proof_holds_and_no_mutation_does(data: st.DataObject) -> None:
    new = data.draw(sizes)
    old = data.draw(st.integers(0, new))
    proof = consistency_proof(old, new, reader_of(HASHES[:new]))
    verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)
    for wrong in _consistency_forgeries(old, new, proof):
        assert reason_of(Refused, verify_consistency, *wrong) is Reason.PROOF_INVALID


def _consistency_forgeries(
    old: int, new: int, proof: tuple[bytes, ...]
) -> Iterator[tuple[Any, ...]]:
    old_root, new_root = ROOTS[old], ROOTS[new]
    yield new + 1, new, old_root, new_root, proof
    yield -1, new, old_root, new_root, proof
    yield old, new, _flip(old_root), new_root, proof
    yield old, new, old_root, new_root, (*proof, new_root)
    if old in (0, new):
        return
    yield old, 2 * new + 1, old_root, new_root, proof
    yield old, old - 1, old_root, new_root, proof
    yield 0, new, old_root, new_root, proof
    yield new, new, old_root, new_root, ()
    yield old, new, new_root, old_root, proof
    yield old, new, old_root, _flip(new_root), proof
    yield old, new, old_root, old_root, proof
    yield old, new, old_root, new_root, ()
    yield old, new, old_root[:31], new_root, proof
    for path in _broken_paths(proof, old_root):
        yield old, new, old_root, new_root, path


def _broken_paths(proof: tuple[bytes, ...], other: bytes) -> Iterator[tuple[bytes, ...]]:
    """Paths that are cut, lengthened, swapped or changed."""
    yield (*proof, b"")
    yield (*proof, other)
    yield (b"", *proof)
    yield (other, *proof)
    if proof:
        yield proof[:-1]
        yield proof[1:]
        yield (*proof, proof[-1])
    for place in range(len(proof)):
        yield (*proof[:place], _flip(proof[place]), *proof[place + 1 :])
        yield (*proof[:place], proof[place][:31], *proof[place + 1 :])
    if len(proof) > 1:
        yield (proof[1], proof[0], *proof[2:])
        yield (*proof[:-2], proof[-1], proof[-2])


def _flip(value: bytes) -> bytes:
    return bytes([value[0] ^ 16]) + value[1:]


def test_a_proof_is_bound_to_the_size_that_was_signed() -> None:
    # Same shape at 1199 and 1200: the path holds for one root only.
    proof = inclusion_proof(5, 1200, reader_of(HASHES))
    assert reason_of(Refused, verify_inclusion, 5, 1200, HASHES[5], proof, ROOTS[1199])
    swapped = consistency_proof(700, 1200, reader_of(HASHES))
    forged = (700, 1199, ROOTS[700], ROOTS[1199], swapped)
    assert reason_of(Refused, verify_consistency, *forged) is Reason.PROOF_INVALID


def test_exhaustive_small_trees() -> None:
    for size in range(1, 18):
        read = reader_of(HASHES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, read)
            verify_inclusion(index, size, HASHES[index], proof, ROOTS[size])
            for other in set(range(size)) - {index}:
                assert reason_of(Refused, verify_inclusion, other, size, HASHES[index], proof,
                                 ROOTS[size])  # fmt: skip
        for old in range(size + 1):
            steps = consistency_proof(old, size, read)
            verify_consistency(old, size, ROOTS[old], ROOTS[size], steps)


@pytest.mark.parametrize(
    ("build", "first", "second"),
    [
        (inclusion_proof, 5, 5),
        (inclusion_proof, -1, 5),
        (inclusion_proof, 0, 0),
        (consistency_proof, 6, 5),
        (consistency_proof, -1, 5),
    ],
)
def test_no_proof_is_built_outside_the_tree(
    build: Callable[..., Any], first: int, second: int
) -> None:
    assert reason_of(Refused, build, first, second, STORED.read) is Reason.PROOF_INVALID


def test_a_proof_reads_few_tiles() -> None:
    stored = tiles_of(HASHES)
    inclusion_proof(600, 1200, stored.read)
    assert stored.reads <= 4
    stored.reads = 0
    consistency_proof(600, 1200, stored.read)
    assert stored.reads <= 4


def _outside_cases(name: str) -> list[dict[str, Any]]:
    folder = os.environ.get("XB_MERKLE_VECTORS")
    if folder is None:
        pytest.skip("XB_MERKLE_VECTORS names no directory with transparency-dev/merkle cases")
    cases: list[dict[str, Any]] = json.loads((Path(folder) / name).read_text())
    assert cases
    return cases


def _agrees(case: dict[str, Any], verify: Callable[..., None], *arguments: object) -> bool:
    try:
        verify(*arguments)
    except Refused:
        return bool(case["wantErr"])
    return not case["wantErr"]


def test_transparency_dev_inclusion_cases() -> None:
    disagreed = [
        case["case"]
        for case in _outside_cases("inclusion.json")
        if not _agrees(
            case,
            verify_inclusion,
            case["leafIdx"],
            case["treeSize"],
            b64decode(case["leafHash"]),
            [b64decode(one) for one in case["proof"] or []],
            b64decode(case["root"]),
        )
    ]
    assert disagreed == []


def test_transparency_dev_consistency_cases() -> None:
    disagreed = [
        case["case"]
        for case in _outside_cases("consistency.json")
        if not _agrees(
            case,
            verify_consistency,
            case["size1"],
            case["size2"],
            b64decode(case["root1"]),
            b64decode(case["root2"]),
            [b64decode(one) for one in case["proof"] or []],
        )
    ]
    assert disagreed == []
