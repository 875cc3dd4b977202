"""Texts of the reasons of one-stop cases, in the languages and order of ``texts.py``."""

from collections.abc import Mapping

from xbgateway.model.errors import Reason

_R = Reason

CASE_TEXTS: Mapping[Reason, tuple[str, str, str]] = {
    _R.CASE_TYPE_INVALID: (
        "個案類型的聲明格式有誤或自相矛盾。",
        "个案类型的声明格式有误或自相矛盾。",
        "A declaração do tipo de processo está mal formada ou contradiz-se.",
    ),
    _R.CASE_TYPE_UNKNOWN: (
        "本節點沒有此個案類型，或沒有該個案所依據的聲明。",
        "本节点没有此个案类型，或没有该个案所依据的声明。",
        "Este nó não tem este tipo de processo, ou não a declaração que o processo segue.",
    ),
    _R.CASE_UNKNOWN: (
        "沒有此個案，或呼叫方並非其參與方。",
        "没有此个案，或调用方并非其参与方。",
        "Não existe tal processo, ou quem chama não participa nele.",
    ),
    _R.CASE_ILLEGAL: (
        "個案目前的狀態不容許此操作，或個案已結束；未作任何更改。",
        "个案目前的状态不允许此操作，或个案已结束；未作任何更改。",
        "O processo não está no ponto em que isto se pode fazer, ou terminou; nada foi alterado.",
    ),
    _R.CASE_ROLE: (
        "呼叫方參與此個案，但不具備此操作所需的角色或職務。",
        "调用方参与此个案，但不具备此操作所需的角色或职务。",
        "Quem chama participa no processo, mas não no papel ou cargo que este acto exige.",
    ),
    _R.CASE_DUPLICATE: (
        "同類而事由相同的個案仍在進行。",
        "同类而事由相同的个案仍在进行。",
        "Continua aberto um processo deste tipo sobre o mesmo assunto.",
    ),
    _R.CASE_DOCUMENT_INVALID: (
        "申請內容不符合此個案類型的要求。",
        "申请内容不符合此个案类型的要求。",
        "O pedido não é o que o tipo de processo exige.",
    ),
    _R.CASE_NOT_WANTED: (
        "此交換所指的個案並不需要它：個案不存在、不屬此發出方，或處於其他階段。",
        "此交换所指的个案并不需要它：个案不存在、不属此发出方，或处于其他阶段。",
        "A troca refere um processo que não a quer: desconhecido, alheio ou noutro ponto.",
    ),
}
