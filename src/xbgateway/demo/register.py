"""The register document of the demo: real institutions' roles, invented instruments.

Everything the law asks for stands here, so the demo cases are allowed, and one scenario
(``SC-POL-EXPIRED``) leans on an assessment whose term is over, so it is refused; for another
(``SC-POL-NEW``) nobody applied yet, so a person has to decide. Dates count from
a given day, so the demo works on any day. Filing numbers, contracts and assessments are synthetic;
nobody filed or approved them. Keys come in as parameters; this module makes none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from xbgateway.demo import papers
from xbgateway.demo.papers import YEAR_DAYS, Record

API = "xbgateway.api.socialsecurity.v1"
HENGQIN = "cn.hengqin.window"
ZHUHAI = "cn.zhuhai.hrss"
FUND = "mo.fss"
WELFARE = "mo.ias"
NOT_APPLIED_FOR = "SC-POL-NEW"
EXCHANGING = (ZHUHAI, HENGQIN, FUND, WELFARE)
PURPOSES = (
    *("CONTRIB_QUERY", "CONTRIB_CERT", "PROOF_OF_LIFE"),
    *("PENSION_VERIFY", "OVERPAY_RECOVERY", "ID_MATCH", "RIGHTS_REQUEST"),
)
BY_A_PERSON = {"mode": "pull", "horizon_s": 30 * 24 * 3600}
JURISDICTIONS = {"zhuhai": "CN", "hengqin": "CN", "macao": "MO"}
# The eight controls of Law 8/2005 Art 16.
CONTROLS = (
    *("premises", "media", "input", "use", "access", "transmission", "input_trace", "transport"),
)
# Offices of table roles, by whose people hold them.
OFFICERS_CN = ("data_officer", "case_officer", "cdo", "pi_protection_officer", "compliance")
OFFICERS_MO = ("data_officer", "case_officer", "cdo", "fss_data_officer", "mo_data_controller")
# Who only receives has somebody who sees to it that it is deleted.
OFFICERS_WINDOW = ("data_officer",)
SUPERVISORS_CN = ("data_authority", "classification_officer", "expert_committee")
SUPERVISORS_MO = ("mo_supervisor",)
# Simplified, traditional, Portuguese, English.
NAMES = {
    ZHUHAI: (
        "珠海市社会保险基金管理中心",
        "珠海市社會保險基金管理中心",
        "Centro de Gestão dos Fundos de Seguro Social de Zhuhai",
        "Zhuhai social security agency",
    ),
    HENGQIN: (
        "横琴粤澳社保服务窗口",
        "橫琴粵澳社保服務窗口",
        "Balcão de segurança social Guangdong-Macau em Hengqin",
        "Hengqin window for Guangdong and Macao social security",
    ),
    FUND: ("社会保障基金", "社會保障基金", "Fundo de Segurança Social", "Social Security Fund"),
    WELFARE: ("社会工作局", "社會工作局", "Instituto de Acção Social", "Social Welfare Bureau"),
    "cn.zhuhai.data": (
        "珠海市数据主管部门",
        "珠海市數據主管部門",
        "Autoridade de dados de Zhuhai",
        "Zhuhai data authority",
    ),
    "mo.dspdp": (
        "个人资料保护局",
        "個人資料保護局",
        "Direcção dos Serviços da Protecção de Dados Pessoais",
        "Personal Data Protection Bureau",
    ),
}


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """One node of the demo: ``zhuhai``, ``macao`` or ``hengqin``. Keys are hex Ed25519 public."""

    id: str
    trust_domain: str
    address: str  # host:port for its peers
    log_key: str
    cosign_key: str


def demo_register(
    nodes: Sequence[NodeKeys], today: date, *, descriptor_set: str = "builtin"
) -> Record:
    """The document, ready to be written as YAML: the same for all nodes.

    Needs ``zhuhai`` and ``macao``; with a third node ``hengqin`` the window lives there. Raises
    ``ValueError`` for other nodes or for keys that are not 32 bytes of hex.
    """
    ids = [node.id for node in nodes]
    if len(set(ids)) != len(ids) or not {"zhuhai", "macao"} <= set(ids) <= set(JURISDICTIONS):
        raise ValueError("the demo has the nodes zhuhai and macao, and perhaps hengqin")
    scenarios = _scenarios()
    return {
        "version": 1,
        "environment": "test",
        "nodes": [_node(node) for node in nodes],
        "parties": _parties("hengqin" if "hengqin" in ids else "zhuhai"),
        "services": [
            {
                "service": f"{API}.{service}",
                "provider": provider,
                "descriptor_set": descriptor_set,
                # A person of the provider answers, within its fifteen working days.
                **({"delivery": BY_A_PERSON} if service == "RightsService" else {}),
            }
            for service, provider in (
                ("IdentityService", FUND),
                ("RightsService", FUND),
                ("ContributionService", FUND),
                ("ProofOfLifeService", FUND),
                ("PensionVerificationService", ZHUHAI),
                ("OverpaymentService", ZHUHAI),
            )
        ],
        "datasets": _datasets(today),
        "scenarios": scenarios,
        "instruments": [
            *papers.instruments(today, PURPOSES, EXCHANGING),
            *papers.applications(today, (one for one in scenarios if one["id"] != NOT_APPLIED_FOR)),
        ],
    }


def _node(node: NodeKeys) -> Record:
    for key in (node.log_key, node.cosign_key):
        if len(bytes.fromhex(key)) != 32:  # noqa: PLR2004 - Ed25519
            raise ValueError(f"node {node.id}: a public key is 32 bytes of hex")
    return {
        "id": node.id,
        "trust_domain": node.trust_domain,
        "jurisdiction": JURISDICTIONS[node.id],
        "address": node.address,
        "log_key": node.log_key,
        "cosign_key": node.cosign_key,
    }


def _texts(hans: str, hant: str, pt: str, en: str) -> Record:
    return {"zh-Hans": hans, "zh-Hant": hant, "pt": pt, "en": en}


def _party(
    party: str,
    *,
    node: str,
    region: str,
    kind: str,
    powers: Iterable[str] = (),
    auditor: bool = False,
    officers: Iterable[str] = (),
) -> Record:
    return {
        "id": party,
        "node": node,
        "name": _texts(*NAMES[party]),
        "jurisdiction": "MO" if party.startswith("mo.") else "CN",
        "region": region,
        "kind": kind,
        "role": "holder",
        "registered_in_gba": True,
        "state_organ": True,
        "ciio": False,
        "restricted_list": False,
        "powers": list(powers),
        "auditor": auditor,
        "officer_roles": list(officers),
        "security_officer": True,
        "child_rules_ref": "Rules for persons under 14, 2026",
        "controls": list(CONTROLS),
    }


def _parties(window_node: str) -> list[Record]:
    zhuhai: Record = {"node": "zhuhai", "region": "zhuhai"}
    macao: Record = {"node": "macao", "region": "macao"}
    at_window = ("CONTRIB_QUERY", "CONTRIB_CERT", "PROOF_OF_LIFE", "ID_MATCH", "RIGHTS_REQUEST")
    return [
        _party(ZHUHAI, **zhuhai, kind="social_security", powers=PURPOSES, officers=OFFICERS_CN),
        _party(
            HENGQIN,
            node=window_node,
            region="hengqin",
            kind="window",
            powers=at_window,
            officers=OFFICERS_WINDOW,
        ),
        _party(FUND, **macao, kind="social_security", powers=PURPOSES, officers=OFFICERS_MO),
        _party(
            WELFARE,
            **macao,
            kind="social_welfare",
            powers=("PROOF_OF_LIFE",),
            officers=OFFICERS_WINDOW,
        ),
        _party(
            "cn.zhuhai.data", **zhuhai, kind="supervisor", auditor=True, officers=SUPERVISORS_CN
        ),
        _party("mo.dspdp", **macao, kind="supervisor", auditor=True, officers=SUPERVISORS_MO),
    ]


def _datasets(today: date) -> list[Record]:
    titles = {
        "DS-MO-SI-001": (
            FUND,
            _texts("供款记录", "供款紀錄", "Registo de contribuições", "Contributions"),
        ),
        "DS-MO-SI-012": (
            FUND,
            _texts("在生证明", "在生證明", "Provas de vida", "Proofs of life"),
        ),
        "DS-ZH-SI-012": (
            ZHUHAI,
            _texts("养老待遇资格", "養老待遇資格", "Direito à pensão", "Entitlement to pensions"),
        ),
        "DS-ZH-SI-020": (
            ZHUHAI,
            _texts(
                "多付待遇登记簿", "多付待遇登記簿", "Diário de pagamentos a mais", "Overpayments"
            ),
        ),
    }
    return [
        {
            "id": dataset,
            "owner": owner,
            "title": title,
            "level": "L3",
            "origin": "MO" if owner == FUND else "CN",
            "stored_in": "MO" if owner == FUND else "CN",
            "openness": "conditional",
            "min_age": 16,
            "updated_on": (today - timedelta(days=7)).isoformat(),
        }
        for dataset, (owner, title) in titles.items()
    ]


def _leg(
    direction: str, days: int, log_days: int, assessment: str = papers.OWN_ASSESSMENT
) -> Record:
    return {
        "direction": direction,
        "retention_days": days,
        "log_retention_days": log_days,
        "basis": {
            "cn": "statutory_duty",
            "cn_ref": "Social Insurance Handling Regulations Art 26",
            "mo": "public_interest",
            "mo_ref": "Law 4/2010",
            "explicit_law_ref": None,
            "necessity": "Without it neither side can serve the person at one counter",
        },
        "mechanism": papers.CONTRACT,
        "notice": papers.NOTICE,
        "pipia": papers.ASSESSMENT,
        "state_assessment": assessment,
        "mo_transfer": papers.TRANSFER,
        "consent": None,
        "contract": papers.PROVISION,
        "mo_processing": papers.PROCESSING,
        "storage": "macao" if direction == "CN2MO" else "zhuhai",
    }


def _scenario(
    scenario: str,
    title: Record,
    serving: tuple[str, str, str, str],
    callers: Sequence[str],
    *,
    days: int,
    log_days: int,
    assessment: str = papers.OWN_ASSESSMENT,
) -> Record:
    purpose, dataset, service, provider = serving
    to_macao = provider.startswith("mo.")
    there, back = ("CN2MO", "MO2CN") if to_macao else ("MO2CN", "CN2MO")
    return {
        "id": scenario,
        "title": dict(title),
        "purposes": [purpose],
        "datasets": [dataset],
        "services": [f"{API}.{service}"],
        "callers": list(callers),
        "providers": [provider],
        "request": _leg(there, days, log_days, assessment),
        "answer": _leg(back, days, log_days, assessment),
    }


def _scenarios() -> list[Record]:
    life = _texts("在生证明", "在生證明", "Prova de vida", "Proof of life")
    proof = ("PROOF_OF_LIFE", "DS-MO-SI-012", "ProofOfLifeService", FUND)
    counters = (ZHUHAI, HENGQIN)
    return [
        _scenario(
            "SC-CQ",
            _texts(
                "窗口查询供款", "窗口查詢供款", "Consulta de contribuições", "Contribution query"
            ),
            ("CONTRIB_QUERY", "DS-MO-SI-001", "ContributionService", FUND),
            (HENGQIN,),
            days=30,
            log_days=1096,
        )
        | {"priority": "urgent"},  # somebody stands at the window
        _scenario(
            "SC-CC",
            _texts(
                "供款证明核验",
                "供款證明核驗",
                "Verificação de certidão de contribuições",
                "Check of a contribution certificate",
            ),
            ("CONTRIB_CERT", "DS-MO-SI-001", "ContributionService", FUND),
            (ZHUHAI, HENGQIN),
            days=180,
            log_days=1096,
        ),
        *_of_cases(counters),
        _scenario("SC-POL", life, proof, counters, days=400, log_days=1827),
        _scenario(NOT_APPLIED_FOR, life, proof, counters, days=400, log_days=1827),
        _scenario(
            "SC-POL-EXPIRED",
            life,
            proof,
            counters,
            days=400,
            log_days=1827,
            assessment=papers.OLD_ASSESSMENT,
        ),
        _scenario(
            "SC-PV",
            _texts(
                "养老待遇资格核验",
                "養老待遇資格核驗",
                "Verificação de pensão",
                "Pension verification",
            ),
            ("PENSION_VERIFY", "DS-ZH-SI-012", "PensionVerificationService", ZHUHAI),
            (FUND,),
            days=YEAR_DAYS,
            log_days=1827,
        ),
        _scenario(
            "SC-OP",
            _texts(
                "多付待遇追回",
                "多付待遇追回",
                "Recuperação de pagamentos a mais",
                "Recovery of overpayments",
            ),
            ("OVERPAY_RECOVERY", "DS-ZH-SI-020", "OverpaymentService", ZHUHAI),
            (FUND,),
            days=YEAR_DAYS,
            log_days=1827,
        ),
    ]


def _of_cases(counters: Sequence[str]) -> list[Record]:
    """What one-stop cases need besides."""
    return [
        _scenario(
            "SC-IM",
            _texts("身份核对", "身份核對", "Verificação de identidade", "Identity match"),
            ("ID_MATCH", "DS-MO-SI-012", "IdentityService", FUND),
            counters,
            days=30,
            log_days=1096,
        )
        | {"priority": "urgent"},
        _scenario(
            "SC-RR",
            _texts("更正请求", "更正請求", "Pedido de correcção", "Request of correction"),
            ("RIGHTS_REQUEST", "DS-MO-SI-001", "RightsService", FUND),
            (HENGQIN,),
            days=YEAR_DAYS,
            log_days=1096,
        ),
    ]
