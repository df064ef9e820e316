"""identify: a BMC answers, it is the machine of the plan, its certificate is pinned, its clock is right."""

from dataclasses import replace

from provisioning.operations import preflight
from provisioning.operations.context import Context
from provisioning.operations.kinds import HOUR, Kind, Step
from provisioning.operations.outcomes import BmcSeen, Done, Evidence, Fail, HostSeen, Outcome


async def contact(ctx: Context) -> Outcome:
    """First contact without a login; pins the certificate. A second run compares with the pin."""
    first = await ctx.bmc.first_contact()
    if ctx.host.bmc_fingerprint and ctx.host.bmc_fingerprint != first.fingerprint:
        words = f"the certificate is {first.fingerprint[:16]}, pinned was {ctx.host.bmc_fingerprint[:16]}"
        return Fail(words, "bmc_tls")
    if first.tag and first.tag != ctx.host.serial:
        return _wrong_machine(ctx, first.tag)
    ctx.target = replace(ctx.target, fingerprint=first.fingerprint)
    columns = {"fingerprint": first.fingerprint, "vendor": first.vendor or ""}
    return Done(
        f"{first.vendor or 'a BMC'} answers, certificate {first.fingerprint[:16]} pinned", effects=(BmcSeen(columns),)
    )


def _wrong_machine(ctx: Context, tag: str) -> Fail:
    words = f"the BMC at {ctx.host.bmc_address} says tag {tag}; the plan has {ctx.host.serial} there"
    return Fail(words, "identity_mismatch", (Evidence("identity", words, {"tag": tag}),))


async def match(ctx: Context) -> Outcome:
    """Log in and compare tag and MAC with the plan. Reads only."""
    who = await ctx.bmc.identity()
    tag = who.tag or who.serial or ""
    if tag != ctx.host.serial:
        return _wrong_machine(ctx, tag or "none")
    planned = {mac.lower() for mac in ctx.host.boot_macs}
    if planned and who.boot_macs and not planned & set(who.boot_macs):
        words = f"boot MAC {', '.join(sorted(planned))} of the plan is not among {', '.join(who.boot_macs)}"
        return Fail(words, "identity_mismatch", (Evidence("identity", words, {"macs": list(who.boot_macs)}),))
    seen = Evidence(
        "identity", f"tag {tag}, {who.model}, BMC {who.bmc_firmware}", {"model": who.model, "uuid": who.uuid}
    )
    return Done(
        f"tag {tag} is the plan's",
        effects=(
            seen,
            HostSeen({"uuid": who.uuid or ""}),
            BmcSeen({"model": who.model or "", "firmware": who.bmc_firmware or "", "refused": 0}),
        ),
    )


KIND = Kind(
    name="identify",
    steps=(
        Step("contact", contact, HOUR, "bmc_unreachable"),
        Step("match", match, HOUR, "bmc_unreachable", attempts=3),
        preflight.CLOCK,
    ),
    from_states=frozenset({"racked", "cabled", "discovered", "quarantined"}),
    deadline_s=HOUR,
    becomes="discovered",
)
