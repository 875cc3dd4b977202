"""The texts of ``texts.py`` about what officers decide: holds and revisions of the policies."""

from collections.abc import Mapping

from xbgateway.model.errors import Reason

_R = Reason

OFFICERS: Mapping[Reason, tuple[str, str, str]] = {
    _R.HOLD_REJECTED: (
        "負責決定的人員已否決，未作任何處理。",
        "负责决定的人员已否决，未作任何处理。",
        "O funcionário competente recusou; nada foi feito.",
    ),
    _R.HOLD_EXPIRED: (
        "期限內無人作出決定，視為否決；未作任何處理。",
        "期限内无人作出决定，视为否决；未作任何处理。",
        "Ninguém decidiu dentro do prazo, o que vale como recusa; nada foi feito.",
    ),
    _R.HOLD_WITHDRAWN: (
        "申請人在等待決定期間已撤回申請。",
        "申请人在等待决定期间已撤回申请。",
        "Quem pediu retirou o pedido enquanto aguardava decisão.",
    ),
    _R.HOLD_ANSWERED: (
        "該待決事項已作決定、已逾期或已撤回。",
        "该待决事项已作决定、已逾期或已撤回。",
        "A pendência já foi decidida, caducou ou foi retirada.",
    ),
    _R.DESK_FULL: (
        "對方待決事項已達上限，請待部分獲處理後再提出。",
        "对方待决事项已达上限，请待部分获处理后再提出。",
        "A outra parte tem o máximo de pendências; recomece quando algumas forem decididas.",
    ),
    _R.SELF_APPROVAL: (
        "申請人不得就本人的申請作決定。",
        "申请人不得就本人的申请作决定。",
        "Quem pediu não pode decidir sobre o próprio pedido.",
    ),
    _R.PROPOSAL_UNKNOWN: (
        "本節點沒有該規則版本的提案。",
        "本节点没有该规则版本的提案。",
        "Este nó não tem tal proposta de versão das regras.",
    ),
    _R.PROPOSAL_ANSWERED: (
        "該提案已獲批准或已被否決。",
        "该提案已获批准或已被否决。",
        "A proposta já foi aprovada ou rejeitada.",
    ),
    _R.PROPOSAL_STALE: (
        "提案後已有另一規則版本生效，請重新提出。",
        "提案后已有另一规则版本生效，请重新提出。",
        "Entretanto entrou em vigor outra versão das regras; apresente a proposta de novo.",
    ),
}
