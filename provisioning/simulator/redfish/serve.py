"""One request to a BMC: count, faults, login, route, OData options, answer."""

import json
import urllib.parse
import zlib

from provisioning.simulator import draw
from provisioning.simulator.bmc import Bmc
from provisioning.simulator.host import Host
from provisioning.simulator.http1 import Request, Response
from provisioning.simulator.messages import RedfishError
from provisioning.simulator.redfish import (  # noqa: F401  (each module registers its routes)
    bios,
    chassis,
    components,
    logs,
    manager,
    sensors,
    sessions,
    software,
    system,
)
from provisioning.simulator.redfish.odata import Answer, Call, Collection, Json, find, link

PAGE = 50
BUSY_AFTER, BUSY_REQUESTS = (8, 40), (4, 9)
_OPEN = {
    ("GET", "/redfish"),
    ("GET", "/redfish/v1"),
    ("GET", "/redfish/v1/odata"),
    ("GET", "/redfish/v1/$metadata"),
    ("POST", "/redfish/v1/SessionService/Sessions"),
}
_WRITES = ("POST", "PATCH", "PUT", "DELETE")
# Writes that change nothing and so carry no intent.
_READ_ONLY_ACTIONS = ("GetRemoteServicesAPIStatus", "SerialDataExport", "ManageTime")


def serve(host: Host, request: Request) -> Response:
    """Answer one request. A BMC that is away cuts the connection."""
    bmc = host.bmc
    bmc.requests += 1
    if bmc.is_away() or host.has("bmc_unreachable"):
        return Response(503, cut=True)
    path = request.path.rstrip("/")
    try:
        answer = _checked(host, request, path)
        response = _render(host, request, path, answer)
    except RedfishError as error:
        headers = ("Retry-After: 30",) if error.message == "SYS518" else ()
        response = _response(bmc, error.status, error.body(), headers)
    _note(host, request, path, response.status)
    return response


def _checked(host: Host, request: Request, path: str) -> Answer:
    """Everything that may refuse a request before its function sees it."""
    method = "GET" if request.method == "HEAD" else request.method
    _refuse_when_busy(host, path)
    if (method, path) not in _OPEN and not host.bmc.is_known(request.headers):
        raise RedfishError("AccessDenied")
    methods, caught = find(path)
    if not methods:
        raise RedfishError("SYS403", path)
    if method not in methods:
        raise RedfishError("SYS402", method, path)
    if method in ("PATCH", "PUT") and "if-match" in request.headers and "GET" in methods:
        _check_etag(host, request, path)
    call = Call(host, request, _body(request, path), request.headers.get("muster-intent"))
    return methods[method](call, *caught)


def _refuse_when_busy(host: Host, path: str) -> None:
    """Not ready after a restart; or, by fault, busy for a while after some requests."""
    if not host.bmc.is_ready() and path not in ("/redfish", "/redfish/v1") and "GetRemoteServicesAPIStatus" not in path:
        raise RedfishError("SYS518")
    if host.fault is None or host.fault.name != "bmc_busy":
        return
    seed = host.world.options.seed
    first = round(draw.between(*BUSY_AFTER, seed, host.name, "busy after"))
    many = round(draw.between(*BUSY_REQUESTS, seed, host.name, "busy requests"))
    if first <= host.bmc.requests and host.fault.fired < many and host.fire("bmc_busy"):
        raise RedfishError("SYS518")


def _body(request: Request, path: str) -> Json:
    """The JSON body of a write; uploads keep theirs as it is."""
    if request.method not in ("POST", "PATCH", "PUT") or path.endswith("MultipartUpload"):
        return {}
    kind = request.headers.get("content-type", "")
    if "json" not in kind:
        raise RedfishError("UnsupportedMediaType", kind)
    try:
        content = json.loads(request.body)
    except ValueError as error:
        raise RedfishError("UnrecognizedRequestBody") from error
    if not isinstance(content, dict):
        raise RedfishError("UnrecognizedRequestBody")
    return content


def _check_etag(host: Host, request: Request, path: str) -> None:
    """If-Match: "*", or the tag that a GET of the same resource would carry now."""
    wanted = request.headers["if-match"]
    if wanted == "*":
        return
    methods, caught = find(path)
    answer = methods["GET"](Call(host, request._replace(method="GET", query=""), {}, None), *caught)
    if isinstance(answer, dict) and wanted.removeprefix("W/") != _etag(json.dumps(answer).encode()).removeprefix("W/"):
        raise RedfishError("PreconditionFailed")


def _etag(body: bytes) -> str:
    """A weak tag of the content, as iDRAC sends one."""
    return f'W/"{zlib.crc32(body):08x}"'


def _render(host: Host, request: Request, path: str, answer: Answer) -> Response:
    if isinstance(answer, Response):
        return _response(host.bmc, answer.status, answer.body, answer.headers)
    options = dict(urllib.parse.parse_qsl(request.query)) if request.query else {}
    if isinstance(answer, Collection):
        answer = _collection(answer, options)
    elif "$expand" in options and request.method == "GET":
        answer = _expanded(host, request, answer)
    if "$select" in options:
        wanted = {name.partition("/")[0] for name in options["$select"].split(",")}
        answer = {key: value for key, value in answer.items() if key in wanted or key.startswith("@odata")}
    body = json.dumps(answer).encode()
    is_read = request.method in ("GET", "HEAD")
    return _response(host.bmc, 200, body, (f"ETag: {_etag(body)}", "Allow: GET, HEAD") if is_read else ())


def _collection(collection: Collection, options: dict[str, str]) -> Json:
    """A page of the collection: at most 50 members, and a link to the next page [q:page-of-50]."""
    members = collection.members
    skip, top = _number(options, "$skip", 0), min(_number(options, "$top", PAGE), PAGE)
    page = members[skip : skip + top]
    content = {
        "@odata.context": f"/redfish/v1/$metadata#{collection.type}.{collection.type}",
        "@odata.id": collection.path,
        "@odata.type": f"#{collection.type}.{collection.type}",
        "Description": f"Collection of {collection.name}",
        "Members": page if collection.whole or "$expand" in options else [link(one["@odata.id"]) for one in page],
        "Members@odata.count": len(members),
        "Name": collection.name,
    }
    if skip + top < len(members):
        more = {key: value for key, value in options.items() if key not in ("$skip", "$top")}
        query = urllib.parse.urlencode({"$skip": skip + top, **more}, safe="$*()=")
        content["Members@odata.nextLink"] = f"{collection.path}?{query}"
    return content


def _number(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise RedfishError("PropertyValueTypeError", text, name)
    return int(text)


def _expanded(host: Host, request: Request, answer: Json) -> Json:
    """One level: each link of the resource (not those under Links) becomes what it leads to."""

    def follow(value: object) -> object:
        if isinstance(value, list):
            return [follow(one) for one in value]
        if not isinstance(value, dict) or set(value) != {"@odata.id"}:
            return value
        methods, caught = find(value["@odata.id"])
        if "GET" not in methods:
            return value
        found = methods["GET"](Call(host, request, {}, None), *caught)
        return _collection(found, {}) if isinstance(found, Collection) else found

    return {key: value if key == "Links" else follow(value) for key, value in answer.items()}


def _response(bmc: Bmc, status: int, body: bytes, headers: tuple[str, ...] = ()) -> Response:
    common = (f"Date: {bmc.date_header()}", "Server: Apache", "OData-Version: 4.0", "Cache-Control: no-cache")
    kind = ("Content-Type: application/json;odata.metadata=minimal;charset=utf-8",) if body else ()
    return Response(status, body, (*common, *kind, *headers))


def _note(host: Host, request: Request, path: str, status: int) -> None:
    """Writes go to the journal, reads only when asked for."""
    journal = host.world.journal
    if request.method in _WRITES:
        intent = request.headers.get("muster-intent")
        changes = not path.endswith(_READ_ONLY_ACTIONS) and "SessionService" not in path
        journal.write(
            "request", host.name, method=request.method, path=path, status=status, intent=intent, changes=changes
        )
    elif journal.reads:
        journal.write("read", host.name, path=path, query=request.query, status=status)
