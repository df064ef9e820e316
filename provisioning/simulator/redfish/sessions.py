"""Service root, sessions, accounts."""

import json

from provisioning.simulator.bmc import LoginRefused, SessionsFull
from provisioning.simulator.http1 import Response
from provisioning.simulator.messages import RedfishError, success
from provisioning.simulator.redfish.odata import (
    ROOT,
    Answer,
    Call,
    Collection,
    Json,
    collection,
    link,
    one,
    resource,
    route,
)

SESSIONS = f"{ROOT}/SessionService/Sessions"
ACCOUNTS = f"{ROOT}/AccountService/Accounts"
SLOTS = 16
ADMIN_SLOT = "2"


@route("GET", "/redfish")
def versions(call: Call) -> Answer:
    """Where the tree begins."""
    return {"v1": f"{ROOT}/"}


@route("GET", f"{ROOT}/odata")
def service_document(call: Call) -> Answer:
    """OData's list of what there is."""
    names = ("Systems", "Managers", "Chassis", "SessionService", "UpdateService", "TaskService", "AccountService")
    value = [{"name": name, "kind": "Singleton", "url": f"{ROOT}/{name}"} for name in names]
    return {"@odata.context": f"{ROOT}/$metadata", "value": value}


@route("GET", ROOT)
def root(call: Call) -> Answer:
    """Readable without a login: vendor, product and the service tag [q:session-url-guess]."""
    features = {
        "ExcerptQuery": False,
        "ExpandQuery": {"ExpandAll": True, "Levels": True, "Links": True, "MaxLevels": 1, "NoLinks": True},
        "FilterQuery": False,
        "OnlyMemberQuery": False,
        "SelectQuery": True,
    }
    content = resource(
        ROOT,
        "ServiceRoot.v1_15_0",
        "Root Service",
        Product="Integrated Dell Remote Access Controller",
        Vendor="Dell",
        RedfishVersion="1.18.0",
        ProtocolFeaturesSupported=features,
        Links={"Sessions": link(SESSIONS)},
        Oem={"Dell": {"IsBranded": 0, "ManagerMACAddress": call.host.bmc_mac, "ServiceTag": call.host.tag}},
        Systems=link(f"{ROOT}/Systems"),
        Managers=link(f"{ROOT}/Managers"),
        Chassis=link(f"{ROOT}/Chassis"),
        SessionService=link(f"{ROOT}/SessionService"),
        AccountService=link(f"{ROOT}/AccountService"),
        UpdateService=link(f"{ROOT}/UpdateService"),
        Tasks=link(f"{ROOT}/TaskService"),
        UUID=call.host.uuid,
    )
    return {**content, "Id": "RootService"}


@route("GET", f"{ROOT}/SessionService")
def session_service(call: Call) -> Answer:
    """How long sessions live, and where they are."""
    path = f"{ROOT}/SessionService"
    return resource(
        path,
        "SessionService.v1_1_8",
        "Session Service",
        ServiceEnabled=True,
        SessionTimeout=1800,
        Sessions=link(SESSIONS),
        Status={"Health": "OK", "State": "Enabled"},
    )


@collection(SESSIONS)
def sessions(call: Call) -> Collection:
    """Logins that are open now."""
    call.host.bmc.expire()
    members = [
        resource(
            f"{SESSIONS}/{session.id}",
            "Session.v1_6_0",
            "User Session",
            UserName=session.user,
            ClientOriginIPAddress="127.0.0.1",
            SessionType="Redfish",
            CreatedTime=session.created.isoformat(timespec="seconds"),
        )
        for session in call.host.bmc.sessions.values()
    ]
    return Collection(SESSIONS, "SessionCollection", "Session Collection", members)


@route("POST", SESSIONS)
def login(call: Call) -> Answer:
    """Open a session; its token is in a header."""
    try:
        token, session = call.host.bmc.login(call.body.get("UserName"), call.body.get("Password"))
    except LoginRefused as error:
        call.host.fire("bmc_credentials")
        raise RedfishError("AccessDenied") from error
    except SessionsFull as error:
        raise RedfishError("RAC0218") from error
    location = f"{SESSIONS}/{session.id}"
    shown = one(sessions(call), str(session.id))
    return Response(201, json.dumps(shown).encode(), (f"X-Auth-Token: {token}", f"Location: {location}"))


@route("DELETE", f"{SESSIONS}/*")
def logout(call: Call, name: str) -> Answer:
    """Close a session."""
    bmc = call.host.bmc
    token = next((token for token, session in bmc.sessions.items() if str(session.id) == name), None)
    if token is None:
        raise RedfishError("SYS403", f"{SESSIONS}/{name}")
    bmc.logout(token)
    return success()


@route("GET", f"{ROOT}/AccountService")
def account_service(call: Call) -> Answer:
    """Where the accounts are."""
    return resource(
        f"{ROOT}/AccountService",
        "AccountService.v1_13_0",
        "Account Service",
        Accounts=link(ACCOUNTS),
        ServiceEnabled=True,
        MinPasswordLength=1,
        MaxPasswordLength=40,
        AccountLockoutThreshold=0,
    )


def _account(call: Call, slot: str) -> Json:
    changed = call.host.bmc.accounts.get(slot, {})
    user = call.host.bmc.user if slot == ADMIN_SLOT else changed.get("UserName", "")
    return resource(
        f"{ACCOUNTS}/{slot}",
        "ManagerAccount.v1_10_0",
        "User Account",
        UserName=user,
        Password=None,
        Enabled=changed.get("Enabled", slot == ADMIN_SLOT),
        RoleId=changed.get("RoleId", "Administrator" if slot == ADMIN_SLOT else "None"),
        Locked=False,
    )


@collection(ACCOUNTS)
def accounts(call: Call) -> Collection:
    """16 fixed slots; slot 2 is the administrator [q:account-slots-not-post]."""
    members = [_account(call, str(slot)) for slot in range(1, SLOTS + 1)]
    return Collection(ACCOUNTS, "ManagerAccountCollection", "Accounts Collection", members)


@route("PATCH", f"{ACCOUNTS}/*")
def change_account(call: Call, slot: str) -> Answer:
    """User name and password take effect at once; open sessions live on."""
    one(accounts(call), slot)
    bmc, body = call.host.bmc, call.body
    if slot == ADMIN_SLOT:
        bmc.set_login(str(body.get("UserName", bmc.user)), str(body.get("Password", bmc.password)))
    else:
        bmc.accounts.setdefault(slot, {}).update({key: body[key] for key in body if key != "Password"})
    return success()
