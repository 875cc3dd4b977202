"""Metrics and the pages that show them."""

import http.client
import socket

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from xbgateway.model.errors import Reason
from xbgateway.observe import Exposition, Metrics


def _get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(sample, labels)


def test_what_happened_is_counted() -> None:
    metrics = Metrics()
    metrics.exchange("outbound", "executed")
    metrics.exchange("outbound", "refused", Reason.POLICY_DENIED)
    metrics.exchange("outbound", "refused", Reason.POLICY_DENIED)
    metrics.refused_early(Reason.TOKEN_MISSING)
    metrics.step("seal", 0.0002)
    metrics.lane_stopped.labels("a/b").set(1)
    name = "xbgateway_exchanges_total"
    assert _value(metrics, name, direction="outbound", outcome="executed", reason="") == 1
    refused = {"direction": "outbound", "outcome": "refused", "reason": "POLICY_DENIED"}
    assert _value(metrics, name, **refused) == 2
    early = "xbgateway_refusals_before_admission_total"
    assert _value(metrics, early, reason="TOKEN_MISSING") == 1
    assert _value(metrics, "xbgateway_step_seconds_bucket", step="seal", le="0.0001") == 0
    assert _value(metrics, "xbgateway_step_seconds_bucket", step="seal", le="0.00025") == 1
    assert _value(metrics, "xbgateway_lane_stopped", origin="a/b") == 1


def test_nodes_in_one_process_do_not_share_metrics() -> None:
    one, other = Metrics(), Metrics()
    one.fsyncs.inc()
    assert _value(one, "xbgateway_fsyncs_total") == 1
    assert _value(other, "xbgateway_fsyncs_total") == 0


def test_every_metric_has_our_name_and_a_sentence() -> None:
    families = list(text_string_to_metric_families(generate_latest(Metrics().registry).decode()))
    assert len(families) >= 16
    for family in families:
        assert family.name.startswith("xbgateway_")
        assert family.documentation.endswith(".")


def test_the_pages() -> None:
    metrics = Metrics()
    metrics.fsyncs.inc(3)
    state: list[str | None] = ["the register is not loaded"]
    with Exposition(metrics.registry, lambda: state[0]) as exposition:
        status, text = _get(exposition.port, "/metrics?name[]=x")
        assert status == 200
        assert "xbgateway_fsyncs_total 3.0" in text
        assert _get(exposition.port, "/healthz") == (200, "ok\n")
        assert _get(exposition.port, "/readyz") == (503, "the register is not loaded\n")
        state[0] = None
        assert _get(exposition.port, "/readyz") == (200, "ready\n")
        assert _get(exposition.port, "/")[0] == 404
        assert _get(exposition.port, "/metrics", "POST")[0] == 501


def test_a_readiness_that_fails_is_no_readiness() -> None:
    def ready() -> str | None:
        raise RuntimeError("829900195803120018")

    with Exposition(Metrics().registry, ready) as exposition:
        assert _get(exposition.port, "/readyz") == (503, "readiness cannot be told\n")


def test_a_closed_server_is_gone_and_a_taken_port_is_an_error() -> None:
    with Exposition(Metrics().registry, lambda: None) as exposition:
        port = exposition.port
        with pytest.raises(OSError, match="in use"):
            Exposition(Metrics().registry, lambda: None, port=port)
        with socket.create_connection(("127.0.0.1", port)) as idle:
            assert _get(port, "/healthz")[0] == 200  # a silent client holds up nobody
            idle.close()
    with pytest.raises(ConnectionRefusedError):
        _get(port, "/healthz")
