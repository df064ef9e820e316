"""BMC sessions that a worker may have left behind."""

from typing import TYPE_CHECKING

from provisioning.bmc.client import Bmc
from provisioning.bmc.errors import BmcError

if TYPE_CHECKING:
    from provisioning.engine.turn import Pump


async def close_unrecorded(pump: "Pump", bmc: Bmc, name: str) -> None:
    """A worker died while it logged in here: close whatever sessions of ours are not on record.

    Raises BmcError; the BMC then stays on record as one that somebody must look after.
    """
    await bmc.system()
    mine = bmc.session
    try:
        for location in await bmc.sessions():
            if mine is None or location != mine.location:
                await bmc.delete_session(location)
    except BmcError:
        await pump.session_opening(name)
        raise
    if mine is not None:
        await pump.session_opened(name, mine)
