"""How long a group waits for company."""

from xbgateway.model.limits import GROUP_WAIT_S_MAX
from xbgateway.store.pace import company_s


def test_a_wait_grows_with_the_group_and_what_it_took_and_ends_at_the_limit() -> None:
    assert company_s(0, 1.0, 0.001) == 0.0  # who is alone waits for nobody
    assert company_s(200, 1.0, 0.0) == 0.0  # nor does anybody where waiting is off
    assert company_s(2, 0.001, 0.001) == 0.001
    assert company_s(8, 0.004, 0.001) == 0.004
    assert company_s(16, 0.004, 0.001) == 0.008
    assert company_s(64, 1.0, 0.001) == GROUP_WAIT_S_MAX
    assert company_s(64, 1.0, 0.05) == 0.05  # what the operator asks for is never cut
