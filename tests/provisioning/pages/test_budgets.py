"""What each page weighs on a fleet of the reference's size: bytes as they are sent, nodes, rows."""

import gzip
import re
from html.parser import HTMLParser

import pytest

from deploy.place import CHECKOUT
from fleet.models import Bmc, Part, Rack, Row
from provisioning.engine import campaign
from tests.support import make, people

HOSTS = 511
STATIC = CHECKOUT / "templates" / "static"
HTMX = next((CHECKOUT / ".venv").glob("lib/python3*/site-packages/django_htmx/static/django_htmx/htmx-2.min.js"))
KB = 1000


class Nodes(HTMLParser):
    """Counts elements, and rows of the longest table."""

    def __init__(self, text):
        super().__init__()
        self.n = self.rows = self.most_rows = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.n += 1
        self.rows = 0 if tag == "table" else self.rows + (tag == "tr")
        self.most_rows = max(self.rows, self.most_rows)


@pytest.fixture
def reference(db):
    """511 hosts on a floor, a third of them in a campaign, one with all its parts."""
    rows = [Row.objects.create(site=make.site(), name=letter) for letter in "ABCDEFGH"]
    racks = [Rack.objects.create(row=row, name=f"{row.name}{n:02}") for row in rows for n in range(1, 17)]
    hosts = make.hosts(341, "in_service") + make.hosts(170, "cabled")
    for n, host in enumerate(hosts):
        host.rack, host.unit = racks[n // 4], 1 + 6 * (n % 4)
        host.name = f"host-{n + 1:03}"
    type(hosts[0]).objects.bulk_update(hosts, ["rack", "unit", "name"])
    Bmc.objects.bulk_create(Bmc(device=h, address=f"127.64.{h.pk // 250}.{h.pk % 250 + 1}") for h in hosts)
    kinds = {"gpu": 8, "dimm": 32, "nvme": 10, "hca": 12, "psu": 6, "fan": 16}
    Part.objects.bulk_create(
        Part(kind=kind, slot=str(n), serial=f"{kind}{n:09}", model="as ordered", device=hosts[-1])
        for kind, many in kinds.items()
        for n in range(many)
    )
    asked = {"select": {"state": "cabled"}, "params": {}, "at_once": None, "actor": make.actor(), "reason": "all"}
    made = campaign.create(kind="bring_up", devices=hosts[341:], **asked)
    type(hosts[0]).objects.filter(pk__in=[h.pk for h in hosts[341:]]).update(active_operation=1, active_kind="identify")
    return {"campaign": made.pk, "host": hosts[-1].name}


def test_pages_keep_their_weight(reference):
    client = people.signed_in("admin")
    pages = ["/", "/hosts/", "/audit/", "/policy/", "/plan/", "/me/", "/help/", "/search/?q=host-1", "/campaigns/"]
    pages += [f"/hosts/{reference['host']}/", f"/campaigns/{reference['campaign']}/", "/fleet/", "/fleet/?by=age"]
    heavy = {}
    for path in pages:
        text = client.get(path).content.decode()
        bytes_, nodes = len(gzip.compress(text.encode(), 6)), Nodes(text)
        most = 30 if path.startswith("/fleet/") else 15
        if bytes_ > most * KB or nodes.n > 3000 or nodes.most_rows > 101:
            heavy[path] = (bytes_, nodes.n, nodes.most_rows)
    assert not heavy


def test_the_whole_floor_is_there(reference):
    text = people.signed_in("viewer").get("/fleet/").content.decode()
    assert len(re.findall(r'<a class="cell ', text)) == HOSTS


def test_style_and_script_keep_their_weight():
    css, script, htmx = (
        len(gzip.compress(path.read_bytes(), 6)) for path in (STATIC / "muster.css", STATIC / "muster.js", HTMX)
    )
    assert css <= 10 * KB
    assert script + htmx <= 20 * KB
    assert len((STATIC / "muster.js").read_text().splitlines()) <= 300
