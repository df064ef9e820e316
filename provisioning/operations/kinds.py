"""What a kind of operation is: its steps, where it may start, what it earns, what its failure does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from provisioning.operations.context import Context
from provisioning.operations.outcomes import Outcome

MINUTE = 60
HOUR = 3600


@dataclass(frozen=True)
class Step:
    """One named step. deadline_s: of field time, from its first claim. cause: what passing it means.

    attempts: how many retries that count. no_power: a critical section, nobody changes the host's power until it ends.
    tests: key of the profile whose tests this step waits for; their length and a tenth come on top of the deadline.
    """

    name: str
    run: Callable[[Context], Awaitable[Outcome]]
    deadline_s: float
    cause: str = "deadline"
    attempts: int = 4
    no_power: bool = False
    tests: str = ""


@dataclass(frozen=True)
class Kind:
    """An operation's kind. becomes: the state that success earns ('' stays). role: who may ask for it at least.

    from_states: where it may start. fails_to: where failure takes the host ('' stays). deadline_s: of field time, for
    the whole of it from its first claim, without the tests of its steps (provisioning.operations.deadlines).
    """

    name: str
    steps: tuple[Step, ...]
    from_states: frozenset[str]
    deadline_s: float
    becomes: str = ""
    fails_to: str = "quarantined"
    mutating: bool = True
    act: str = "operate"
