"""Paths, links and collections of the tree, and which function answers where."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from provisioning.simulator.host import Host
from provisioning.simulator.http1 import Request, Response
from provisioning.simulator.messages import RedfishError

Json = dict[str, Any]

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/System.Embedded.1"
MANAGER = f"{ROOT}/Managers/iDRAC.Embedded.1"
CHASSIS = f"{ROOT}/Chassis/System.Embedded.1"
UPDATE = f"{ROOT}/UpdateService"


class Call(NamedTuple):
    """One request as the functions of the tree see it."""

    host: Host
    request: Request
    body: Json
    intent: str | None


class Collection(NamedTuple):
    """Members are whole resources. The caller gets links, or `whole` ones when it asks to expand."""

    path: str
    type: str
    name: str
    members: list[Json]
    whole: bool = False


Answer = Json | Collection | Response
Function = Callable[..., Answer]
F = TypeVar("F", bound=Function)
C = TypeVar("C", bound=Callable[..., Collection])


class Node:
    """One part of a path; "*" takes any."""

    __slots__ = ("methods", "parts")

    def __init__(self) -> None:
        self.parts: dict[str, Node] = {}
        self.methods: dict[str, Function] = {}


_TREE = Node()


def route(method: str, pattern: str) -> Callable[[F], F]:
    """Register a function for a method and a path; it gets the call and what stood at each "*"."""

    def register(function: F) -> F:
        node = _TREE
        for part in pattern.strip("/").split("/"):
            node = node.parts.setdefault(part, Node())
        node.methods[method] = function
        return function

    return register


def collection(pattern: str) -> Callable[[C], C]:
    """Register a function that returns a Collection, for the collection's path and for those of its members."""

    def register(function: C) -> C:
        def member(call: Call, *caught: str) -> Answer:
            return one(function(call, *caught[:-1]), caught[-1])

        route("GET", pattern)(function)
        route("GET", f"{pattern}/*")(member)
        return function

    return register


@functools.lru_cache(maxsize=4096)
def find(path: str) -> tuple[dict[str, Function], tuple[str, ...]]:
    """The methods at `path` and what stood at each "*"; no methods when nothing is there."""
    return _walk(_TREE, path.strip("/").split("/"))


def _walk(node: Node, parts: list[str]) -> tuple[dict[str, Function], tuple[str, ...]]:
    if not parts:
        return node.methods, ()
    exact, any_ = node.parts.get(parts[0]), node.parts.get("*")
    if exact is not None:
        methods, caught = _walk(exact, parts[1:])
        if methods:
            return methods, caught
    if any_ is None:
        return {}, ()
    methods, caught = _walk(any_, parts[1:])
    return methods, (parts[0], *caught)


def link(path: str) -> Json:
    """A link to a resource."""
    return {"@odata.id": path}


def links(members: list[Json]) -> list[Json]:
    """Links to resources."""
    return [{"@odata.id": member["@odata.id"]} for member in members]


def resource(path: str, type_: str, name: str, **content: Any) -> Json:
    """A resource with the properties that all have. `type_`: "Memory.v1_17_0"."""
    return {
        "@odata.context": f"{ROOT}/$metadata#{type_.partition('.')[0]}.{type_.partition('.')[0]}",
        "@odata.id": path,
        "@odata.type": f"#{type_}.{type_.partition('.')[0]}",
        "Id": path.rpartition("/")[2],
        "Name": name,
        **content,
    }


def one(collection: Collection, name: str) -> Json:
    """The member with this Id. Raises RedfishError (404)."""
    found = next((member for member in collection.members if member["Id"] == name), None)
    if found is None:
        raise RedfishError("SYS403", f"{collection.path}/{name}")
    return found
