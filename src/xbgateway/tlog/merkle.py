"""The Merkle tree of RFC 6962 and the two proof checks of RFC 9162.

Pure functions over hashes: leaf and node hash, the root of a list, inclusion and consistency.
Never reads a tile or a store (``prover.py`` builds proofs, ``frontier.py`` grows trees); every
check raises, none returns a bool. It stands at the bottom of the tlog room.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from xbgateway.model.errors import Reason, Refused

HASH_BYTES = 32
# REQ-LOG-1: the hash of the empty tree is the hash of the empty string.
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The 32-byte leaf hash of an entry (RFC 6962 §2.1)."""
    # REQ-LOG-1: the prefixes keep a leaf from ever passing for a node.
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of an inner node over two 32-byte hashes (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The tree head of a list of leaf hashes, in O(n); :class:`Frontier` does it step by step.

    Pairing a row and promoting its odd last member gives the same tree as RFC 6962's split at
    the largest power of two.
    """
    row = list(leaf_hashes)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        paired = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        if len(row) % 2:
            paired.append(row[-1])
        row = paired
    return row[0]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that ``leaf`` is entry ``index`` of the tree (``size``, ``root``).

    RFC 9162 §2.1.3.2. Raises ``Refused(PROOF_INVALID)``.
    """
    if not 0 <= index < size:
        raise _invalid("the index lies outside the tree", index=index, size=size)
    _check_widths(leaf, root, *proof)
    # `place` and `last` walk up from the leaf and from the tree's last leaf together.
    place, last = index, size - 1
    computed = leaf
    for sibling in proof:
        if last == 0:
            raise _invalid("the inclusion proof is too long", index=index, size=size)
        if place & 1 or place == last:
            computed = node_hash(sibling, computed)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise _invalid("the inclusion proof is too short", index=index, size=size)
    if computed != root:
        raise _invalid("the inclusion proof leads to another root", index=index, size=size)


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree (``new_size``, ``new_root``) extends (``old_size``, ``old_root``).

    RFC 9162 §2.1.4.2; for an old size of 0 and for equal sizes the proof must be empty. Raises
    ``Refused(PROOF_INVALID)``.
    """
    if not 0 <= old_size <= new_size:
        raise _invalid("the sizes do not grow", old_size=old_size, new_size=new_size)
    if old_size in (0, new_size) and proof:
        raise _invalid("the consistency proof must be empty", old_size=old_size)
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise _invalid("the empty tree has another root", old_size=old_size)
    if old_size == new_size and old_root != new_root:
        raise _invalid("two roots at the same size", new_size=new_size)
    if old_size == new_size:
        return
    _check_widths(old_root, new_root, *proof)
    if old_size == 0:
        return
    if not proof:
        raise _invalid("the consistency proof is empty", old_size=old_size, new_size=new_size)
    # Where the old tree is one complete subtree its root is the first node, and is left out.
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if _climb(old_size, new_size, path) != (old_root, new_root):
        raise _invalid("the consistency proof leads to another root", new_size=new_size)


def _climb(old_size: int, new_size: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """The old and the new root that a path of nodes leads to (RFC 9162 §2.1.4.2, steps 3 to 6)."""
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise _invalid("the consistency proof is too long", new_size=new_size)
        if place & 1 or place == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new_computed = node_hash(new_computed, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise _invalid("the consistency proof is too short", new_size=new_size)
    return old_computed, new_computed


def _check_widths(*hashes: bytes) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise _invalid("a hash is not 32 bytes")


def _invalid(sentence: str, **numbers: int) -> Refused:
    metadata = {key: str(value) for key, value in numbers.items()}
    return Refused(Reason.PROOF_INVALID, sentence, **metadata)
