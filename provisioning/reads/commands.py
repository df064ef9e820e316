"""What was sent to a BMC, as lines to copy and run by hand. They hold no secret: the shell asks for it."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

HEAD = """BMC=https://{address}
read -rsp 'user:password of the BMC: ' LOGIN
SYSTEM=$(curl -sk -u "$LOGIN" "$BMC/redfish/v1/Systems" | jq -r '.Members[0]."@odata.id"')
curl -sk -u "$LOGIN" "$BMC$SYSTEM" | jq '{{PowerState, Boot}}'"""

# What an intent says -> verb, path below the system, body. The words are those of the steps (provisioning.operations).
_RESET = re.compile(r"reset: (\w+)")
_OVERRIDE = re.compile(r"set boot override: (\w+), once")


def _call(verb: str, path: str, body: Mapping[str, Any]) -> str:
    data = json.dumps(body, separators=(",", ":"))
    return f"""curl -sk -u "$LOGIN" -X {verb} "$BMC$SYSTEM{path}" -H 'Content-Type: application/json' -d '{data}'"""


def command(what: str) -> str:
    """One intent as a command; empty for what no single call does."""
    if found := _RESET.fullmatch(what):
        return _call("POST", "/Actions/ComputerSystem.Reset", {"ResetType": found[1]})
    if found := _OVERRIDE.fullmatch(what):
        once = {"BootSourceOverrideTarget": found[1], "BootSourceOverrideEnabled": "Once"}
        return _call("PATCH", "", {"Boot": once})
    return ""


def lines(address: str, intents: Iterable[Mapping[str, Any]]) -> str:
    """A script of what was sent, the oldest first, each with when and by which operation. Empty without a BMC."""
    if not address:
        return ""
    script = [HEAD.format(address=address)]
    for one in intents:
        note = "" if command(one["what"]) else ": no single call, the operation's page says more"
        script.append(f"# {one['at']:%Y-%m-%d %H:%M:%S} UTC, operation {one['operation']}: {one['what']}{note}")
        script += filter(None, [command(one["what"])])
    return "\n".join(script)
