"""Parties, catalogue and labels, scenarios and instruments; and what a message carries."""

from xbgateway.register.catalogue import Catalogue, MethodEntry, build_catalogue
from xbgateway.register.content import Content, parse
from xbgateway.register.delivering import DeliveryTerms
from xbgateway.register.document import Register, load_register
from xbgateway.register.identifiers import synthetic_verdict
from xbgateway.register.meanings import content_facts
from xbgateway.register.shape import MessageShape
from xbgateway.register.standing import party_facts, standing

__all__ = [
    "Catalogue",
    "Content",
    "DeliveryTerms",
    "MessageShape",
    "MethodEntry",
    "Register",
    "build_catalogue",
    "content_facts",
    "load_register",
    "parse",
    "party_facts",
    "standing",
    "synthetic_verdict",
]
