"""Texts of the reasons of attachments, in the languages and order of ``texts.py``."""

from collections.abc import Mapping

from xbgateway.model.errors import Reason

_R = Reason

STREAM_TEXTS: Mapping[Reason, tuple[str, str, str]] = {
    _R.STREAM_UNKNOWN: (
        "此處沒有該當事方的這一附件，或附件已被取回或刪除。",
        "此处没有该当事方的这一附件，或附件已被取回或删除。",
        "Esta parte não tem aqui tal anexo, ou foi retirado ou apagado.",
    ),
    _R.STREAM_INCOMPLETE: (
        "附件尚未全部到達。",
        "附件尚未全部到达。",
        "O anexo ainda não está completo.",
    ),
    _R.STREAM_TAKEN: (
        "該上載已屬另一交換，或開始時的大小不同。",
        "该上传已属另一交换，或开始时的大小不同。",
        "O carregamento já pertence a uma troca, ou começou com outro tamanho.",
    ),
    _R.STREAM_ROOM: (
        "該當事方在本節點等候的附件已達上限。",
        "该当事方在本节点等候的附件已达上限。",
        "A parte já tem no nó tantos bytes de anexos à espera quantos pode ter.",
    ),
    _R.STREAM_BUSY: (
        "另一呼叫正在上載同一附件。",
        "另一调用正在上传同一附件。",
        "Outra chamada está a carregar o mesmo anexo neste momento.",
    ),
    _R.STREAM_STOPPED: (
        "發送方法律不再允許此附件，傳送已中途停止。",
        "发送方法律不再允许此附件，传送已中途停止。",
        "A lei do lado do remetente deixou de permitir o anexo: parou a meio.",
    ),
}
