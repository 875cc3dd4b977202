"""The life of an agreement on authorised operation: its states and what happens to it."""

from xbgateway.register.instruments import Agreement
from xbgateway.register.life import agreement_exit, agreement_operation, agreement_states
from xbgateway.register.life.machine import Machine

MACHINE = Machine(
    kind="agreement",
    title="Agreement on authorised operation",
    model=Agreement,
    states=agreement_states.STATES,
    state=agreement_states.state,
    events=(
        *agreement_operation.ADMISSION,
        *agreement_operation.OPERATION,
        *agreement_exit.BREACH,
        *agreement_exit.EXIT,
    ),
    deadlines=agreement_states.deadlines,
    due=agreement_states.DUE,
    fixed={"kind": "agreement"},
)
