"""What an official at a counter reads when a call fails, in the languages of both sides.

Rules bring texts of their own (``policies/texts``); these are for everything else. English is the
catalogue's meaning (``model/reasons.py``). What concerns only the nodes has one text for "later"
and one for "a person is on it": the reason code beside it says the rest.
"""

from collections.abc import Mapping

from xbgateway.model.errors import Reason
from xbgateway.model.reasons import CATALOGUE

from .texts_cases import CASE_TEXTS
from .texts_delivery import DELIVERY_TEXTS
from .texts_officers import OFFICERS
from .texts_streams import STREAM_TEXTS

LANGUAGES = ("zh-Hant", "zh-Hans", "pt", "en")
_R = Reason

_TEXTS: Mapping[Reason, tuple[str, str, str]] = {
    **CASE_TEXTS,
    **DELIVERY_TEXTS,
    **STREAM_TEXTS,
    _R.CERTIFICATE_REJECTED: (
        "用戶端證書未能通過其信任域根證書的驗證。",
        "客户端证书未能通过其信任域根证书的验证。",
        "O certificado do cliente não é válido perante a raiz do seu domínio de confiança.",
    ),
    _R.IDENTITY_AMBIGUOUS: (
        "證書與權杖未能指明唯一而且獲准在此呼叫的身份。",
        "证书与令牌未能指明唯一且获准在此调用的身份。",
        "O certificado e o token não indicam uma única identidade autorizada a chamar aqui.",
    ),
    _R.IDENTITY_FOREIGN: (
        "證書所屬的信任域不能為本節點的呼叫方作證。",
        "证书所属的信任域不能为本节点的调用方作证。",
        "O domínio de confiança do certificado não pode abonar quem chama este nó.",
    ),
    _R.CERTIFICATE_REVOKED: (
        "用戶端證書已被撤銷。",
        "客户端证书已被吊销。",
        "O certificado do cliente foi revogado.",
    ),
    _R.TLS_TOO_OLD: (
        "連線未使用 TLS 1.3。",
        "连接未使用 TLS 1.3。",
        "A ligação não usa TLS 1.3.",
    ),
    _R.TOKEN_MISSING: (
        "呼叫未附權杖。",
        "调用未附令牌。",
        "A chamada não traz token.",
    ),
    _R.TOKEN_REJECTED: (
        "權杖格式不正確，或未能以簽發方的密鑰驗證。",
        "令牌格式不正确，或未能以签发方的密钥验证。",
        "O token está malformado ou não é válido com uma chave do emissor.",
    ),
    _R.TOKEN_EXPIRED: ("權杖已過期。", "令牌已过期。", "O token expirou."),
    _R.TOKEN_AUDIENCE: (
        "權杖是給另一節點的。",
        "令牌是给另一节点的。",
        "O token destina-se a outro nó.",
    ),
    _R.TOKEN_UNBOUND: (
        "權杖未與本連線的證書綁定。",
        "令牌未与本连接的证书绑定。",
        "O token não está ligado ao certificado desta ligação.",
    ),
    _R.PARTY_UNKNOWN: (
        "該機構未在登記冊內。",
        "该机构未在登记册内。",
        "A entidade não consta do registo.",
    ),
    _R.PARTY_NOT_HERE: (
        "該機構屬於另一節點。",
        "该机构属于另一节点。",
        "A entidade pertence a outro nó.",
    ),
    _R.AUDITOR_ONLY: (
        "僅登記為審計方的機構可作此查詢。",
        "仅登记为审计方的机构可作此查询。",
        "Só uma entidade registada como auditora pode perguntar isto.",
    ),
    _R.ROLE_REQUIRED: (
        "僅擔任該職務的人員可作此操作。",
        "仅担任该职务的人员可作此操作。",
        "Só um funcionário com esse cargo pode fazer isto.",
    ),
    _R.SERVICE_UNKNOWN: (
        "沒有登記該名稱的服務。",
        "没有登记该名称的服务。",
        "Não está registado nenhum serviço com esse nome.",
    ),
    _R.METHOD_UNKNOWN: (
        "該服務沒有此方法。",
        "该服务没有此方法。",
        "O serviço não tem esse método.",
    ),
    _R.METHOD_NOT_UNARY: (
        "不能經節點呼叫串流方法。",
        "不能经节点调用流式方法。",
        "Os métodos de fluxo não podem ser chamados através do nó.",
    ),
    _R.MESSAGE_UNDECODABLE: (
        "內容不是該方法所屬類型的訊息。",
        "内容不是该方法所属类型的消息。",
        "O conteúdo não é uma mensagem do tipo do método.",
    ),
    _R.FIELD_UNKNOWN: (
        "內容帶有登記類型所沒有的欄位。",
        "内容带有登记类型所没有的字段。",
        "O conteúdo tem um campo que o tipo registado não tem.",
    ),
    _R.REFERENCE_MISSING: (
        "呼叫未說明目的、情景或發送時間。",
        "调用未说明目的、场景或发送时间。",
        "A chamada não indica a finalidade, o cenário ou a hora de envio.",
    ),
    _R.REFERENCE_UNKNOWN: (
        "呼叫所指的目的、情景、文書或接收方未經登記。",
        "调用所指的目的、场景、文书或接收方未经登记。",
        "Uma finalidade, cenário, instrumento ou destinatário indicado não está registado.",
    ),
    _R.REFERENCE_MALFORMED: (
        "呼叫所附資料有格式錯誤、重複或不明的項目。",
        "调用所附元数据有格式错误、重复或不明的项目。",
        "Os metadados da chamada têm um valor malformado, repetido ou desconhecido.",
    ),
    _R.REQUEST_ID_MISSING: (
        "呼叫沒有請求編號，無法安全地重試。",
        "调用没有请求编号，无法安全地重试。",
        "A chamada não tem identificador de pedido e não poderia ser repetida com segurança.",
    ),
    _R.REQUEST_ID_REUSED: (
        "該請求編號已用於另一次呼叫。",
        "该请求编号已用于另一次调用。",
        "O identificador de pedido já foi usado noutra chamada.",
    ),
    _R.PAYLOAD_TOO_LARGE: (
        "內容超出一次交換所能承載的大小。",
        "内容超出一次交换所能承载的大小。",
        "O conteúdo excede o que um intercâmbio pode transportar.",
    ),
    _R.DEADLINE_TOO_SHORT: (
        "呼叫方所給的時限過短。",
        "调用方所给的时限过短。",
        "O prazo dado por quem chama é demasiado curto.",
    ),
    _R.DEADLINE_PASSED: (
        "時限已過，未受理任何事項。",
        "时限已过，未受理任何事项。",
        "O prazo terminou e nada foi aceite.",
    ),
    _R.TRANSITION_ILLEGAL: (
        "該登記記錄目前的狀態不允許此項操作。",
        "该登记记录目前的状态不允许此项操作。",
        "O estado atual do registo não permite esta operação.",
    ),
    _R.TRANSITION_REFUSED: (
        "所提供的內容不符合法定期限或條件。",
        "所提供的内容不符合法定期限或条件。",
        "O que é indicado não respeita os prazos ou condições legais.",
    ),
    _R.ARGUMENT_INVALID: (
        "請求的某個欄位的值無效。",
        "请求的某个字段的值无效。",
        "Um campo do pedido tem um valor inválido.",
    ),
    _R.EXCHANGE_UNKNOWN: (
        "沒有此項交換，或不屬於呼叫方。",
        "没有此项交换，或不属于调用方。",
        "Não existe tal intercâmbio, ou não é de quem chama.",
    ),
    _R.RECORD_UNKNOWN: (
        "登記冊沒有該項記錄，或在所問的時間尚無。",
        "登记册没有该项记录，或在所问的时间尚无。",
        "O registo não tem essa inscrição, ou não a tinha na data pedida.",
    ),
    _R.CHANGE_INVALID: (
        "登記冊記錄的變更格式不正確。",
        "登记册记录的变更格式不正确。",
        "A alteração da inscrição não está bem formada.",
    ),
    _R.ETAG_MISMATCH: (
        "該記錄已有變動，請重新讀取後再作變更。",
        "该记录已有变动，请重新读取后再作变更。",
        "A inscrição já mudou; leia-a de novo antes de a alterar.",
    ),
    _R.NOT_OWNER: (
        "該記錄由另一節點的人員管理。",
        "该记录由另一节点的人员管理。",
        "A inscrição é mantida pelos funcionários de outro nó.",
    ),
    _R.ENTRY_UNKNOWN: (
        "沒有此日誌或條目，或不屬於呼叫方的交換。",
        "没有此日志或条目，或不属于调用方的交换。",
        "Não existe tal registo ou entrada, ou não é dos intercâmbios de quem chama.",
    ),
    _R.DUTY_UNKNOWN: (
        "沒有此項義務，或由另一機構負責履行。",
        "没有此项义务，或由另一机构负责履行。",
        "Não existe tal obrigação, ou cabe a outra entidade.",
    ),
    _R.DUTY_CONFIRMED: (
        "該項義務已獲確認履行。",
        "该项义务已获确认履行。",
        "O cumprimento da obrigação já foi confirmado.",
    ),
    _R.PAGE_TOKEN_INVALID: (
        "分頁標記無效，請從第一頁重新開始。",
        "分页标记无效，请从第一页重新开始。",
        "O marcador de página é inválido; recomece pela primeira página.",
    ),
    _R.TOO_MANY_REQUESTS: (
        "節點正忙，請稍後再試。",
        "节点正忙，请稍后再试。",
        "O nó está ocupado; tente mais tarde.",
    ),
    _R.POLICY_DENIED: (
        "依其中一方法律的規則，不得作此傳輸。",
        "依其中一方法律的规则，不得作此传输。",
        "Uma regra de uma das ordens jurídicas proíbe a transferência.",
    ),
    _R.POLICY_HOLD: (
        "須由人員決定後方可繼續。",
        "须由人员决定后方可继续。",
        "Uma pessoa tem de decidir antes de a transferência continuar.",
    ),
    **OFFICERS,
    _R.POLICY_UNDEFINED: (
        "現行規則對此傳輸沒有結論，視為不准。",
        "现行规则对此传输没有结论，视为不准。",
        "As regras em vigor não decidem esta transferência, o que vale como recusa.",
    ),
    _R.POLICY_ERROR: (
        "規則執行出錯，未傳輸任何資料。",
        "规则执行出错，未传输任何数据。",
        "A avaliação das regras falhou; nada foi transferido.",
    ),
    _R.POLICY_TIMEOUT: (
        "規則未及時作出結論，未傳輸任何資料。",
        "规则未及时作出结论，未传输任何数据。",
        "As regras não decidiram a tempo; nada foi transferido.",
    ),
    _R.POLICY_STALE: (
        "結論出自已非現行的規則版本，請再試。",
        "结论出自已非现行的规则版本，请再试。",
        "A decisão foi tomada por uma versão que já não vigora; tente de novo.",
    ),
    _R.POLICY_UNAVAILABLE: (
        "規則引擎沒有回應，未傳輸任何資料。",
        "规则引擎没有响应，未传输任何数据。",
        "O motor de regras não responde; nada foi transferido.",
    ),
    _R.POLICY_INPUT_LIMIT: (
        "須審查的內容過大，請減少一次發送的人數或欄位。",
        "须审查的内容过大，请减少一次发送的人数或字段。",
        "O que as regras teriam de apreciar é demasiado grande; envie menos de cada vez.",
    ),
    _R.POLICY_INVALID: (
        "規則版本不合格式，或簽署不正確。",
        "规则版本不合格式，或签署不正确。",
        "Uma versão das regras está malformada ou mal assinada.",
    ),
    _R.FACTS_UNSTABLE: (
        "作決定所依據的事實在記錄期間多次變動，請再試。",
        "作决定所依据的事实在记录期间多次变动，请再试。",
        "Os factos em que a decisão assenta mudaram durante o registo; tente de novo.",
    ),
    _R.CONTENT_UNDECLARED: (
        "內容與其已簽署的說明不符。",
        "内容与其已签署的说明不符。",
        "O conteúdo não corresponde à sua descrição assinada.",
    ),
    _R.EXCHANGE_PENDING: (
        "交換已受理，尚未完成。",
        "交换已受理，尚未完成。",
        "O intercâmbio foi aceite e ainda não terminou.",
    ),
    _R.EXCHANGE_EXPIRED: (
        "對方未在期限前開始，沒有辦理任何事項。",
        "对方未在期限前开始，没有办理任何事项。",
        "O outro lado não começou dentro do prazo; nada foi feito.",
    ),
    _R.EXCHANGE_UNKNOWN_EFFECT: (
        "未能確定服務是否已辦理，須由人員查核。",
        "未能确定服务是否已办理，须由人员核查。",
        "Não se sabe se o serviço actuou; uma pessoa tem de verificar.",
    ),
    _R.ANSWER_WITHHELD: (
        "服務已辦理，但依法不得向呼叫方提供其答覆。",
        "服务已办理，但依法不得向调用方提供其答复。",
        "O serviço foi chamado, mas a lei não permite entregar a resposta.",
    ),
    _R.SERVICE_UNAVAILABLE: (
        "提供方的服務無法連接，未被呼叫。",
        "提供方的服务无法连接，未被调用。",
        "O serviço do prestador não está acessível e não foi chamado.",
    ),
    _R.SERVICE_FAILED: (
        "提供方的服務回覆了錯誤。",
        "提供方的服务返回了错误。",
        "O serviço do prestador respondeu com um erro.",
    ),
    _R.HANDSHAKE_FAILED: (
        "未能與節點建立 TLS 連線，多因節點不接受證書。",
        "未能与节点建立 TLS 连接，多因节点不接受证书。",
        "Não foi possível estabelecer TLS com o nó, que talvez não aceite o certificado.",
    ),
    _R.NODE_UNTRUSTED: (
        "節點的證書未能通過驗證，沒有發出任何內容。",
        "节点的证书未能通过验证，没有发出任何内容。",
        "O certificado do nó não é válido aqui; nada foi enviado.",
    ),
    _R.PEER_UNREACHABLE: (
        "未能連接另一節點，請稍後再試。",
        "未能连接另一节点，请稍后再试。",
        "O outro nó não está acessível; tente mais tarde.",
    ),
    _R.PAYLOAD_ERASED: (
        "內容已依規定刪除。",
        "内容已依规定删除。",
        "O conteúdo foi apagado nos termos das regras.",
    ),
    _R.DRAINING: (
        "節點正在停止，請稍後再試。",
        "节点正在停止，请稍后再试。",
        "O nó está a parar; tente mais tarde.",
    ),
}

_LATER = (
    "節點現時不能處理，請稍後以同一請求編號再試。",
    "节点现时不能处理，请稍后以同一请求编号再试。",
    "O nó não pode tratar disto agora; tente mais tarde com o mesmo identificador de pedido.",
)
_PERSON = (
    "節點之間或節點內部出現故障，須由運維人員處理。",
    "节点之间或节点内部出现故障，须由运维人员处理。",
    "Há uma falha no nó ou entre nós, que os operadores têm de tratar.",
)


def text_of(reason: Reason, language: str) -> str:
    """One sentence about a reason; ``language`` is one of :data:`LANGUAGES`."""
    explanation = CATALOGUE[reason]
    if language == "en":
        return explanation.meaning
    general = _LATER if explanation.code == "UNAVAILABLE" else _PERSON
    return _TEXTS.get(reason, general)[LANGUAGES.index(language)]


def chosen(wanted: str) -> str:
    """The language for an ``accept-language`` or ``xb-language`` text; English where none fits.

    The written order counts; weights are not read, since clients write the best first.
    """
    for tag in wanted.lower().split(","):
        match tag.partition(";")[0].strip().split("-"):
            case ["zh", *rest] if not {"hant", "tw", "hk", "mo"}.isdisjoint(rest):
                return "zh-Hant"
            case ["zh", *_]:
                return "zh-Hans"
            case ["pt", *_]:
                return "pt"
            case ["en", *_]:
                return "en"
            case _:
                continue
    return "en"
