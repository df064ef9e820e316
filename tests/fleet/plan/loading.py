"""What the tests of loading share: loading, reading back, editing, and the same plan for another site."""

from dataclasses import replace

from fleet import lifecycle
from fleet.plan.export import from_database
from fleet.plan.load import load
from fleet.plan.rows import Plan
from tests.support.database import check_constraints


def put(plan: Plan, start: str = "cabled", **more):
    done = load(plan=plan, actor=lifecycle.system("plan"), start=start, **more)
    check_constraints()
    return done


def stored() -> Plan:
    return from_database("site-1")


def edit(plan: Plan, file: str, at: int, **values):
    rows = getattr(plan, file)
    rows[at] = replace(rows[at], **values)


def swap(plan: Plan, file: str, i: int, j: int, *columns: str):
    a, b = getattr(plan, file)[i], getattr(plan, file)[j]
    edit(plan, file, i, **{c: getattr(b, c) for c in columns})
    edit(plan, file, j, **{c: getattr(a, c) for c in columns})


def as_other_site(plan: Plan, number: int = 2) -> Plan:
    """The same plan for another site, with nothing that must be unique in common."""

    def other(name: str) -> str:
        return f"o{number}-{name}"

    def address(text: str) -> str:
        return text.replace("127.", f"{number}.", 1)

    def mac(text: str) -> str:
        return text.replace("02:", f"{number:x}a:", 1)

    devices = [
        replace(
            d,
            site=f"site-{number}",
            name=other(d.name),
            serial=d.serial and other(d.serial),
            bmc_address=address(d.bmc_address),
            bmc_mac=mac(d.bmc_mac),
        )
        for d in plan.devices
    ]
    cables = [
        replace(c, label=other(c.label), a_device=other(c.a_device), b_device=other(c.b_device)) for c in plan.cables
    ]
    return replace(
        plan,
        devices=devices,
        cables=cables,
        addresses=[
            replace(a, device=other(a.device), address=address(a.address), mac=mac(a.mac)) for a in plan.addresses
        ],
        networks=[
            replace(n, cidr=n.cidr.replace("127.64", f"{number}.64").replace("127.128", f"{number}.128"))
            for n in plan.networks
        ],
        power=[replace(p, device=other(p.device)) for p in plan.power],
        guids=[replace(g, device=other(g.device), node_guid=f"0x{number}{g.node_guid[3:]}") for g in plan.guids],
    )
