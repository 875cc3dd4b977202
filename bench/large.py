"""A register as large as two governments' may be: many parties and agreements, a wide message.

The demo's register with more of everything: parties on both sides, an agreement on authorised
operation with its own scenario, dataset, application and operator for each of many products, and
one service whose messages have 200 labelled fields.
"""

from datetime import date, timedelta
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2

from xbgateway.api.catalogue.v1 import options_pb2
from xbgateway.demo.register import FUND, NodeKeys, demo_register
from xbgateway.register import Catalogue, Register, build_catalogue
from xbgateway.register.document import builtin_descriptor_set, register_of
from xbgateway.register.entries import Document

SERVICE = "bench.wide.v1.WideService"
METHOD = "Ask"
DATASET = "DS-BENCH-WIDE"
SCENARIO = "SC-BENCH-WIDE"
CALLERS = 1000  # of the wide service: as many at either size
Record = dict[str, Any]


def large(today: date, *, parties: int, agreements: int, fields: int) -> tuple[Register, Catalogue]:
    """The register of that size with its catalogue. ``fields`` are those of the wide message."""
    nodes = [
        NodeKeys(one, f"{one}.xbg.test", "localhost:1", f"{number:064x}", f"{number + 9:064x}")
        for number, one in enumerate(("zhuhai", "macao"), start=1)
    ]
    document = demo_register(nodes, today)
    pattern = document["parties"][0]
    document["parties"] += [_party(pattern, number) for number in range(1, parties + 1)]
    serving, dataset = document["scenarios"][0], document["datasets"][0]
    document["services"].append(
        {"service": SERVICE, "provider": FUND, "descriptor_set": "wide.binpb"}
    )
    document["datasets"].append({**dataset, "id": DATASET, "owner": FUND})
    document["scenarios"].append(
        {
            **serving,
            "id": SCENARIO,
            "purposes": ["CONTRIB_QUERY"],
            "datasets": [DATASET],
            "services": [SERVICE],
            "callers": [f"cn.zhuhai.p{number:05}" for number in range(1, CALLERS * 2, 2)],
            "providers": [FUND],
        }
    )
    for number in range(1, agreements + 1):
        _product(document, number, parties, today)
    sets = {"builtin": builtin_descriptor_set(), "wide.binpb": wide(fields)}
    register = register_of(Document.model_validate(document), sets)
    return register, build_catalogue(register)


def _party(pattern: Record, number: int) -> Record:
    side, node = (("cn.zhuhai", "zhuhai"), ("mo.gov", "macao"))[number % 2 == 0]
    return {
        **pattern,
        "id": f"{side}.p{number:05}",
        "node": node,
        "region": node,
        "jurisdiction": "CN" if node == "zhuhai" else "MO",
        "auditor": False,
        "officer_roles": [],
    }


def _product(document: Record, number: int, parties: int, today: date) -> None:
    """One agreement with all that belongs to it."""
    operator = f"cn.zhuhai.p{(number * 2 - 1) % parties or 1:05}"
    scenario, dataset = f"SC-AO-{number:05}", f"DS-AO-{number:05}"
    document["datasets"].append({**document["datasets"][2], "id": dataset})
    document["scenarios"].append(
        {
            **document["scenarios"][0],
            "id": scenario,
            "purposes": ["AO_PRODUCT"],
            "datasets": [dataset],
            "callers": [operator],
        }
    )
    document["instruments"] += [
        {
            "id": f"AO-{number:05}",
            "kind": "agreement",
            "authority": "cn.zhuhai.data",
            "operator": operator,
            "scenarios": [{"scenario": scenario, "datasets": [dataset]}],
            "signed_on": (today - timedelta(days=number % 700)).isoformat(),
            "valid_until": (today + timedelta(days=700 - number % 700)).isoformat(),
        },
        {
            "id": f"AP-AO-{number:05}",
            "kind": "application",
            "scenario": scenario,
            "datasets": [dataset],
            "recipients": [operator],
            "approved_on": today.isoformat(),
        },
        {
            "id": f"INC-{number:05}",
            "kind": "incident",
            "severity": "ordinary",
            "opened_on": (today - timedelta(days=9)).isoformat(),
            "closed_on": (today - timedelta(days=2)).isoformat(),
            "datasets": [dataset],
        },
    ]


@cache
def wide(fields: int) -> bytes:
    """The descriptor set of a service whose one message has that many labelled fields."""
    file = descriptor_pb2.FileDescriptorProto(
        name="bench/wide.proto", package="bench.wide.v1", syntax="proto3"
    )
    file.dependency.append(options_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="Wide")
    for number in range(1, fields + 1):
        field = message.field.add(
            name=f"field_{number:03}",
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
        field.options.Extensions[options_pb2.label].CopyFrom(
            options_pb2.FieldLabel(
                level=options_pb2.LEVEL_L2,
                data_class=options_pb2.DATA_CLASS_GENERAL,
                sens_cn=options_pb2.SENSITIVITY_NO,
                sens_mo=options_pb2.SENSITIVITY_NO,
                purposes=["*"],
                name="status",  # a name of the data dictionary that the purpose may see
                subject=number == 1,
            )
        )
    method = file.service.add(name="WideService").method.add(
        name=METHOD, input_type=".bench.wide.v1.Wide", output_type=".bench.wide.v1.Wide"
    )
    method.options.Extensions[options_pb2.method].CopyFrom(
        options_pb2.MethodLabel(
            dataset=DATASET,
            request_mode=options_pb2.MODE_PAYLOAD,
            answer_mode=options_pb2.MODE_PAYLOAD,
        )
    )
    found = descriptor_pb2.FileDescriptorSet(file=[file])
    return found.SerializeToString()
