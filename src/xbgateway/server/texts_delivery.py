"""Texts of the reasons of deliveries that wait, in the languages and order of ``texts.py``."""

from collections.abc import Mapping

from xbgateway.model.errors import Reason

_R = Reason

DELIVERY_TEXTS: Mapping[Reason, tuple[str, str, str]] = {
    _R.QUOTA_EXCEEDED: (
        "此機構或此對方節點未完結的交換已達上限，請稍後再試。",
        "此机构或此对方节点未完结的交换已达上限，请稍后再试。",
        "As trocas por terminar desta entidade, ou com esse nó, atingiram o limite; espere.",
    ),
    _R.LEASE_OVER: (
        "該租約已不是此交換的最後租約，或交換已以其他方式結束。",
        "该租约已不是此交换的最后租约，或交换已以其他方式结束。",
        "A concessão já não é a última desta troca, ou a troca terminou sem ela.",
    ),
    _R.ANSWERED_OTHERWISE: (
        "此交換已以另一答覆確認，該答覆維持有效。",
        "此交换已以另一答复确认，该答复维持有效。",
        "A troca já foi confirmada com outra resposta, que se mantém.",
    ),
    _R.ATTEMPTS_EXHAUSTED: (
        "已按登記冊允許的次數將此交換交予服務，但一直未獲答覆。",
        "已按登记册允许的次数将此交换交予服务，但一直未获答复。",
        "O serviço recebeu a troca tantas vezes quantas o registo permite e nunca respondeu.",
    ),
    _R.EXCHANGE_CANCELLED: (
        "發出方在任何服務得知前已撤回此交換；未作任何處理。",
        "发出方在任何服务得知前已撤回此交换；未作任何处理。",
        "Quem enviou retirou a troca antes de qualquer serviço a conhecer; nada foi feito.",
    ),
    _R.EXCHANGE_ENDED: (
        "此交換已有其他結果；已結束者不能撤回。",
        "此交换已有其他结果；已结束者不能撤回。",
        "A troca terminou de outro modo; o que terminou não pode ser retirado.",
    ),
    _R.NOT_WAITING_FOR_PERSON: (
        "該事項並非等待此項決定：已有人處理，或屬另一類別。",
        "该事项并非等待此项决定：已有人处理，或属另一类别。",
        "O assunto não espera por esta palavra: alguém foi mais rápido, ou é de outro tipo.",
    ),
    _R.RESOLVED_NOT_EXECUTED: (
        "提供方人員查明服務並未執行。",
        "提供方人员查明服务并未执行。",
        "Uma pessoa do prestador verificou que o serviço não agiu.",
    ),
}
