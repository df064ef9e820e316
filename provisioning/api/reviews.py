"""What a dry run answers: the review of an act, the same for operations, moves and campaigns."""

from typing import Any

from ninja import Schema


class Rack(Schema):
    """Hosts of one rack."""

    row: str
    rack: str
    hosts: int


class Service(Schema):
    """Hosts in service: how many of those touched leave it, how many are in it now at these sites, and then."""

    lost: int
    now: int
    remain: int


class Leaf(Schema):
    """links: of the hosts touched, of so many links to hosts that this leaf has."""

    leaf: str
    links: int
    of: int


class Feed(Schema):
    """Hosts touched that hang on this power feed."""

    feed: str
    hosts: int


class End(Schema):
    """An operation under way that this ends. critical: nobody may interrupt its step, so it is lost until one looks."""

    operation: int
    kind: str
    host: str
    critical: bool


class Takes(Schema):
    """Seconds that one host usually takes: four of five lie between low_s and high_s. of: how many that is known by."""

    low_s: float
    median_s: float
    high_s: float
    of: int


class ReviewOut(Schema):
    """What an act would touch. Nothing has happened.

    kind: of operation or campaign, "move.STATE" for moves. hosts: those that would take part. refused: those that
    cannot, and why; all or none, so while there are any it cannot start. data_lost: hosts whose data goes. held: on
    which a hold stands. takes: null when nothing of that kind is known. asks: what a page would ask a person for, and
    why.
    """

    dry_run: bool
    kind: str
    chain: list[str]
    hosts: list[str]
    refused: list[dict[str, Any]]
    racks: list[Rack]
    data_lost: int
    service: Service
    leaves: list[Leaf]
    feeds: list[Feed]
    ends: list[End]
    held: int
    takes: Takes | None
    undo: str
    asks: dict[str, list[str]]
