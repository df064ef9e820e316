"""What a cause means in plain words, and what a person does next. A cause that is not here says its own words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """words: after "CAUSE". then: after "Next:"."""

    words: str
    then: str


# contracts.md, causes of failed steps; health.md for what follows.
CAUSES = {
    "bmc_unreachable": Cause("The BMC does not answer", "look at its cable, its link light and its address."),
    "bmc_busy": Cause(
        "The BMC was busy for too long", "wait a quarter of an hour, then retry; reset the BMC if it stays."
    ),
    "bmc_credentials": Cause("The BMC refuses our password", "check the stored secret; three wrong tries lock it."),
    "bmc_locked": Cause("The BMC has locked our login", "wait until it opens again, then check the stored secret."),
    "bmc_unsupported": Cause("The BMC cannot do what was asked", "update its firmware, or ask for it by hand."),
    "bmc_refused": Cause("The BMC refused what was asked", "read its answer in the operation; it says which value."),
    "bmc_tls": Cause(
        "The BMC shows another certificate than before", "was it replaced? Then pin the new one by identify."
    ),
    "bmc_health": Cause(
        "The BMC says that the host is not well", "read its event log; the part stands in the evidence."
    ),
    "identity": Cause(
        "This is not the machine that the plan has here", "compare the tag with the plan, then identify."
    ),
    "identity_mismatch": Cause(
        "Another machine booted in its place", "look which host hangs on this port and address."
    ),
    "tag": Cause("The tag differs from the plan", "read the tag at the machine, correct the plan or the place."),
    "macs": Cause("Its MAC addresses differ from the plan", "was an adapter swapped? Correct the plan, then retry."),
    "clock": Cause("The BMC's clock is wrong", "set it, and the site's NTP, then retry."),
    "part_missing": Cause("A part that the profile asks for is not seen", "reseat it; swap it when it stays away."),
    "pcie_degraded": Cause("A PCIe link is narrower or slower", "reseat the card; swap it when it stays so."),
    "firmware_drift": Cause("Firmware or BIOS is not at the baseline", "bring it there, then retry."),
    "bug": Cause("A step of ours failed", "the operation has its trace; report it, then retry."),
    "forced": Cause("Somebody took it out by force", "the reason stands in its history."),
    "boot_loop": Cause("It boots again and again and never gets on", "watch its console; check disk and image."),
    "post_hang": Cause(
        "It does not get through its self test", "look at its screen; the last stage is in the operation."
    ),
    "no_network_boot": Cause(
        "It never asked for its network boot", "look at cable, port and VLAN of its boot adapter."
    ),
    "no_phone_home": Cause(
        "The installed system never reported", "look at its console and at its provisioning network."
    ),
    "no_image": Cause("The image is not in the catalogue", "store it, or name another one in the profile."),
    "image_write": Cause("The image could not be written", "look at the disk; swap it when it fails again."),
    "image_mismatch": Cause("Another image runs than was written", "which disk does it boot from? Then install again."),
    "facts_differ": Cause("The installed system is not as the image says", "install again; then look at the image."),
    "power_off": Cause("It is off and does not come on", "look at its supplies and at the feed."),
    "burn_in": Cause("Burn-in failed", "read the failed test in the evidence; swap what it names."),
    "validation": Cause("Validation failed", "read the failed test in the evidence; swap what it names."),
    "deadline": Cause("It took longer than it may", "read what it waited for last; retry once."),
    "outcome_unknown": Cause("Nobody knows whether the last command was carried out", "look, then say what you found."),
}


def of(cause: str) -> Cause:
    """The cause in words; its own name where nobody has written any."""
    words = cause.replace("_", " ")
    return CAUSES.get(cause) or Cause(words[:1].upper() + words[1:], "read the evidence of the last operation.")
