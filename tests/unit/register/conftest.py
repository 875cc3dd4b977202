"""A real descriptor set, compiled from population.proto, and a register document that is whole."""

import copy
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from grpc_tools import protoc  # type: ignore[import-untyped]

from xbgateway.register.catalogue import Catalogue
from xbgateway.register.document import Register, load_register

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
SERVICE = "test.population.v1.PopulationService"

Compile = Callable[..., bytes]
Load = Callable[[dict[str, Any]], Register]

TEXTS = {"zh-Hans": "一", "zh-Hant": "一", "pt": "um", "en": "one"}


def compile_proto(folder: Path, name: str, *, imports: bool = True) -> bytes:
    """The serialised descriptor set of one file."""
    out = folder / "set.binpb"
    status = protoc.main(
        [
            "protoc",
            f"-I{folder}",
            f"-I{ROOT / 'proto'}",
            f"-I{resources.files('grpc_tools') / '_proto'}",
            f"--descriptor_set_out={out}",
            *(["--include_imports"] if imports else []),
            name,
        ]
    )
    assert status == 0, f"protoc failed; python {sys.version}"
    return out.read_bytes()


@pytest.fixture(scope="session")
def population(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("population")
    (folder / "population.proto").write_text((HERE / "population.proto").read_text())
    return compile_proto(folder, "population.proto")


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    def compile_text(text: str, *, name: str = "one.proto", imports: bool = True) -> bytes:
        (tmp_path / name).write_text(text)
        return compile_proto(tmp_path, name, imports=imports)

    return compile_text


@pytest.fixture(scope="session")
def catalogue(population: bytes) -> Catalogue:
    return Catalogue([population], [SERVICE])


def _leg(**more: object) -> dict[str, object]:
    return {
        "direction": "CN2MO",
        "retention_days": 30,
        "log_retention_days": 1096,
        "basis": {"cn": "statutory_duty", "cn_ref": "a", "mo": "public_interest", "mo_ref": "b"},
        "mechanism": "GBA-1",
        "notice": "N-1",
        "pipia": "PIA-1",
        "state_assessment": "SA-1",
        "mo_transfer": "MT-1",
        "consent": None,
        **more,
    }


_PARTY = {
    "name": TEXTS,
    "registered_in_gba": True,
    "state_organ": True,
    "ciio": False,
    "restricted_list": False,
}

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "environment": "test",
    "nodes": [
        {
            "id": name,
            "trust_domain": f"{name}.xbg.test",
            "jurisdiction": side,
            "address": f"localhost:{port}",
            "log_key": key * 32,
            "cosign_key": cosign * 32,
        }
        for name, side, port, key, cosign in (
            ("zhuhai", "CN", 17443, "0a", "0b"),
            ("macao", "MO", 17444, "0c", "0d"),
            ("hengqin", "CN", 17445, "0e", "0f"),
        )
    ],
    "parties": [
        {
            **_PARTY,
            "id": "cn.window",
            "node": "zhuhai",
            "jurisdiction": "CN",
            "region": "hengqin",
            "kind": "window",
            "role": "holder",
            "powers": ["ID_MATCH"],
        },
        {
            **_PARTY,
            "id": "mo.fss",
            "node": "macao",
            "jurisdiction": "MO",
            "region": "macao",
            "kind": "social_security",
            "role": "holder",
            "auditor": True,
        },
    ],
    "services": [{"service": SERVICE, "provider": "mo.fss", "descriptor_set": "population.binpb"}],
    "datasets": [{"id": "DS-T-1", "owner": "mo.fss", "title": TEXTS}],
    "scenarios": [
        {
            "id": "SC-1",
            "title": TEXTS,
            "purposes": ["ID_MATCH"],
            "datasets": ["DS-T-1"],
            "services": [SERVICE],
            "callers": ["cn.window"],
            "providers": ["mo.fss"],
            "request": _leg(),
            "answer": _leg(direction="MO2CN", consent="CNS-1"),
        }
    ],
    "instruments": [
        {
            "id": "GBA-1",
            "kind": "mechanism",
            "type": "gba_sc",
            "signed": True,
            "effective_on": "2026-03-02",
            "expires_on": "2028-03-01",
            "purposes": ["ID_MATCH"],
            "parties": ["cn.window", "mo.fss"],
            "pipia_ref": "PIA-1",
        },
        {"id": "N-1", "kind": "notice", "items": ["handler", "purpose"]},
        {"id": "N-2", "kind": "notice", "items": ["handler"], "exempt_cn_ref": "PIPL 35"},
        {
            "id": "PIA-1",
            "kind": "pipia",
            "approved_on": "2026-01-05",
            "keep_until": "2029-01-05",
            "purposes": ["ID_MATCH"],
            "recipients": ["mo.fss"],
        },
        {
            "id": "SA-1",
            "kind": "state_assessment",
            "valid_until": "2027-06-30",
            "purposes": ["ID_MATCH"],
            "recipients": ["mo.fss"],
        },
        {
            "id": "MT-1",
            "kind": "mo_transfer",
            "transfer_kind": "art20_1",
            "ground": "public_interest",
            "notif_on": "2026-02-01",
        },
        *(
            {
                "id": f"CNS-{i}",
                "kind": "consent",
                "consent_kind": "separate",
                "purposes": ["ID_MATCH"],
                "recipients": ["mo.fss"],
                "given_on": "2026-03-01",
            }
            for i in (1, 2)
        ),
    ],
}


@pytest.fixture
def document() -> dict[str, Any]:
    """A document of one's own to spoil."""
    return copy.deepcopy(DOCUMENT)


@pytest.fixture
def load(tmp_path: Path, population: bytes) -> Load:
    (tmp_path / "population.binpb").write_bytes(population)

    def load_document(document: dict[str, Any]) -> Register:
        text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
        # As people write them: the loader, not the writer's quotes, keeps days text.
        return load_register(text.encode(), tmp_path)

    return load_document
