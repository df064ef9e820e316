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
    """

    name: str
    run: Callable[[Context], Awaitable[Outcome]]
    deadline_s: float
    cause: str = "deadline"
    attempts: int = 4
    no_power: bool = False


@dataclass(frozen=True)
class Kind:
    """An operation's kind. becomes: the state that success earns ('' stays). role: who may ask for it at least.

    from_states: where it may start. fails_to: where failure takes the host ('' stays).
    """

    name: str
    steps: tuple[Step, ...]
    from_states: frozenset[str]
    becomes: str = ""
    fails_to: str = "quarantined"
    mutating: bool = True
    act: str = "operate"
