"""Sessions: one login, taken over, given back, never repeated when refused, never leaked by us."""

import asyncio
from dataclasses import replace

import pytest

from provisioning.bmc import BmcBusy, BmcRefused, BmcUnreachable, BmcUnsupported, Fleet, Session
from tests.provisioning.bmc import fake as shapes
from tests.provisioning.bmc.fake import PASSWORD, PERMIT, SESSIONS, USER, Notes, Reply, S, extended

LOGIN = f"POST {SESSIONS}"


def logins(fake):
    return len(fake.sent("POST", SESSIONS))


async def test_one_login_for_many_calls(fake, bmc, notes):
    await asyncio.gather(*(bmc.system() for _ in range(6)))
    assert logins(fake) == 1
    assert notes.said == [("opening", "host-001"), ("opened", "host-001", "token-1")]
    assert bmc.session == Session("token-1", f"{SESSIONS}/1")


async def test_the_password_is_sent_to_the_login_only(fake, bmc):
    await bmc.system()
    assert all("Authorization" not in call.headers for call in fake.calls)
    assert [call.path for call in fake.calls if PASSWORD in str(call.body)] == [SESSIONS]


async def test_a_session_is_taken_over(fake, fleet, notes):
    """A worker that was killed left its token with the caller; the next one goes on with it."""
    fake.open["token-old"] = f"{SESSIONS}/7"
    bmc = fleet.bmc(fake.target(session=Session("token-old", f"{SESSIONS}/7")))
    await bmc.system()
    assert logins(fake) == 0 and notes.said == []
    await fleet.close()
    assert fake.open == {} and notes.said == [("closed", "host-001")]


async def test_a_session_that_comes_later_is_used(fake, fleet, bmc):
    fake.open["t"] = f"{SESSIONS}/9"
    fleet.bmc(fake.target(session=Session("t", f"{SESSIONS}/9")))
    await bmc.system()
    assert bmc.session == Session("t", f"{SESSIONS}/9") and logins(fake) == 0


async def test_a_lost_session_is_not_taken_over_again(fake, fleet):
    """The caller may have read its row before the session was lost."""
    stale = Session("t", f"{SESSIONS}/9")
    bmc = fleet.bmc(fake.target(session=stale))
    await bmc.system()
    bmc = fleet.bmc(fake.target())
    await bmc.logout()
    fleet.bmc(fake.target(session=stale))
    await bmc.system()
    assert bmc.session == Session("token-2", f"{SESSIONS}/2") and logins(fake) == 2
    assert len(fake.open) == 1


async def test_a_lost_session_costs_one_login_and_the_call_is_repeated(fake, fleet, notes):
    """Tokens answer 401 after a BMC reset (quirk session-lost-on-bmc-reset)."""
    bmc = fleet.bmc(fake.target(session=Session("token-gone", f"{SESSIONS}/7")))
    await bmc.reset(PERMIT, "ForceRestart")
    assert logins(fake) == 1
    assert len(fake.sent("POST", f"{S}/Actions/ComputerSystem.Reset")) == 2
    assert [row[0] for row in notes.said] == ["closed", "opening", "opened"]


async def test_401_with_a_broken_body_is_a_lost_session(fake, bmc):
    await bmc.system()
    fake.replies[f"GET {S}"] = [Reply(401, b"{", torn=True)]
    await bmc.system()
    assert logins(fake) == 2


async def test_many_calls_on_a_lost_session_log_in_once(fake, bmc):
    await bmc.system()
    fake.open.clear()
    await asyncio.gather(*(bmc.system() for _ in range(6)))
    assert logins(fake) == 2


async def test_a_new_session_that_is_not_accepted_is_busy_not_bad(fake, bmc):
    fake.replies[f"GET {S}"] = Reply(401)
    with pytest.raises(BmcBusy) as caught:
        await bmc.system()
    assert caught.value.code == "session_refused" and caught.value.passing
    assert logins(fake) == 2


async def test_a_refused_login_is_not_repeated(fake, fleet, notes):
    """A few bad logins block our address for everyone behind it (quirk ip-block, M25)."""
    bmc = fleet.bmc(fake.target(password="wrong"))
    answers = await asyncio.gather(*(bmc.system() for _ in range(5)), return_exceptions=True)
    assert {(type(found), found.code) for found in answers} == {(BmcRefused, "bad_credentials")}
    assert logins(fake) == 1
    assert notes.said == [("opening", "host-001"), ("closed", "host-001")]
    with pytest.raises(BmcRefused):
        await bmc.system()
    assert logins(fake) == 2


async def test_no_error_shows_the_password(fake, fleet):
    bmc = fleet.bmc(fake.target(password="hunter-2-hunter"))
    with pytest.raises(BmcRefused) as caught:
        await bmc.system()
    assert "hunter" not in f"{caught.value} {caught.value!r} {bmc.channel.target!r}"


@pytest.mark.parametrize(
    ("status", "message_id", "expected"),
    [
        (401, "SYS415", (BmcRefused, "bad_credentials")),
        (403, "SYS403", (BmcRefused, "bad_credentials")),
        (403, "PasswordChangeRequired", (BmcRefused, "must_change_password")),
        (503, "SYS518", (BmcBusy, "not_ready")),
        (400, "SWC0700", (BmcBusy, "not_ready")),
        (500, "X", (BmcBusy, "server_error")),
    ],
)
async def test_login_refusals_by_name(fake, bmc, status, message_id, expected):
    fake.replies[LOGIN] = Reply(status, extended(message_id))
    with pytest.raises(expected[0]) as caught:
        await bmc.system()
    assert caught.value.code == expected[1] and logins(fake) == 1


@pytest.mark.parametrize("token", ["", "tok\ten", "t\xf6k"], ids=range(3))
async def test_a_login_without_a_usable_token(fake, bmc, token):
    fake.replies[LOGIN] = Reply(201, {}, {"X-Auth-Token": token})
    with pytest.raises(BmcBusy) as caught:
        await bmc.system()
    assert caught.value.code == "unreadable"


async def test_a_login_whose_answer_is_lost_stays_opening(fake, notes):
    """The BMC may have made a session: the caller keeps knowing that."""
    fleet = Fleet(hooks=notes, call_timeout_s=0.3)
    fake.replies[LOGIN] = Reply(hold_s=30)
    with pytest.raises(BmcUnreachable):
        await fleet.bmc(fake.target()).system()
    assert notes.said == [("opening", "host-001")]
    await fleet.close()


async def test_a_cancelled_caller_does_not_lose_the_session(fake, bmc, notes):
    fake.replies[LOGIN] = lambda call: replace(fake.log_in(call), hold_s=0.2)
    call = asyncio.create_task(bmc.system())
    while not fake.sent("POST", SESSIONS):
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await bmc.system()
    assert logins(fake) == 1 and len(fake.open) == 1
    assert notes.said[-1] == ("opened", "host-001", "token-1")


async def test_a_caller_that_cannot_keep_the_token_leaks_nothing(fake):
    class Broken(Notes):
        async def session_opened(self, name: str, session: Session) -> None:
            raise RuntimeError("no database")

    fleet = Fleet(hooks=Broken())
    with pytest.raises(RuntimeError):
        await fleet.bmc(fake.target()).system()
    assert fake.open == {}
    await fleet.close()


async def test_close_logs_out_or_leaves_the_session(fake, notes):
    for logout, left in ((False, 1), (True, 1)):
        fleet = Fleet(hooks=notes)
        await fleet.bmc(fake.target()).system()
        await fleet.close(logout=logout)
        assert len(fake.open) == left
    assert notes.said[-1] == ("closed", "host-001")


async def test_close_does_not_mind_a_dead_bmc(fake, fleet, bmc, notes):
    await bmc.system()
    fake.replies[f"DELETE {SESSIONS}/1"] = Reply(cut=True)
    await fleet.close()
    assert notes.said[-1] == ("closed", "host-001")


async def test_a_full_table_is_swept_of_our_own_sessions(fake, bmc):
    """Killed processes left eight sessions (quirk session-exhaustion); another user's is not ours to close."""
    fake.open = {f"old-{n}": f"{SESSIONS}/{n}" for n in range(1, 8)}
    rows = [{"@odata.id": f"{SESSIONS}/{n}", "UserName": USER if n % 2 else "backup"} for n in range(1, 8)]
    rows.append({"@odata.id": f"{SESSIONS}/9", "UserName": USER, "ClientOriginIPAddress": "192.0.2.7"})
    fake.replies[LOGIN] = [Reply(503, extended("RAC0218"))]
    fake.replies[f"GET {SESSIONS}"] = Reply(200, shapes.collection(rows))
    fake.replies.update({f"DELETE {SESSIONS}/{n}": Reply(204) for n in range(1, 10)})
    await bmc.system()
    assert logins(fake) == 2
    assert [call.path for call in fake.calls if call.method == "DELETE"] == [f"{SESSIONS}/{n}" for n in (1, 3, 5, 7)]


async def test_a_full_table_that_holds_none_of_ours_is_busy(fake, bmc):
    fake.replies[LOGIN] = Reply(503, extended("RAC0218"))
    fake.replies[f"GET {SESSIONS}"] = Reply(
        200, shapes.collection([{"@odata.id": f"{SESSIONS}/1", "UserName": "backup"}])
    )
    with pytest.raises(BmcBusy) as caught:
        await bmc.system()
    assert caught.value.code == "sessions_full" and logins(fake) == 1


async def test_a_new_password_does_not_ride_on_the_old_session(fake, fleet, bmc):
    """A session outlives its password, so a wrong one is noticed hours later (quirk session-outlives-password)."""
    await bmc.system()
    with pytest.raises(BmcRefused):
        await fleet.bmc(fake.target(password="wrong", session=bmc.session)).system()
    await fleet.close()
    assert fake.open == {}


async def test_a_pin_that_comes_after_first_contact_keeps_what_was_learned(fake, fleet):
    bmc = fleet.bmc(fake.target(fingerprint=None))
    found = await bmc.first_contact()
    assert fleet.bmc(fake.target(fingerprint=found.fingerprint)) is bmc
    await bmc.system()
    assert bmc.requests == 3  # first contact, login, system: the root is not read again


async def test_absolute_location_of_a_session_is_reduced_to_its_path(fake, fleet, bmc):
    fake.open["t"] = f"{SESSIONS}/5"
    where = {"X-Auth-Token": "t", "Location": f"https://elsewhere{SESSIONS}/5"}
    fake.replies[LOGIN] = Reply(201, {}, where)
    await bmc.system()
    await bmc.logout()
    assert fake.calls[-1].path == f"{SESSIONS}/5" and fake.open == {}


async def test_a_session_without_a_place_is_not_logged_out_by_guess(fake, bmc):
    fake.open["t"] = f"{SESSIONS}/5"
    fake.replies[LOGIN] = Reply(201, {}, {"X-Auth-Token": "t"})
    await bmc.system()
    await bmc.logout()
    assert all(call.method != "DELETE" for call in fake.calls)


async def test_sessions_elsewhere_by_the_root(fake, bmc):
    fake.resources["/redfish/v1"]["Links"]["Sessions"]["@odata.id"] = "/redfish/v1/Sessions"
    fake.open["t"] = "/redfish/v1/Sessions/1"
    fake.replies["POST /redfish/v1/Sessions"] = Reply(
        201, {}, {"X-Auth-Token": "t", "Location": "/redfish/v1/Sessions/1"}
    )
    await bmc.system()
    assert bmc.session == Session("t", "/redfish/v1/Sessions/1")


@pytest.mark.parametrize("advertised", [True, False])
async def test_basic_auth_where_there_are_no_sessions(fake, bmc, notes, advertised):
    if not advertised:
        fake.resources["/redfish/v1"]["Links"] = {}
    fake.replies[LOGIN] = Reply(404)
    fake.replies[f"GET {S}"] = lambda call: Reply(200 if "Authorization" in call.headers else 400, fake.resources[S])
    await bmc.system()
    await bmc.system()
    assert logins(fake) == advertised and bmc.session is None
    assert [row[0] for row in notes.said] == ["opening", "closed"]
    fake.replies[f"GET {S}"] = Reply(401)
    with pytest.raises(BmcRefused) as caught:
        await bmc.system()
    assert caught.value.code == "bad_credentials"


async def test_sessions_at_their_usual_place(fake, bmc):
    fake.resources["/redfish/v1"].update({"Links": {}, "SessionService": {"@odata.id": "/redfish/v1/SessionService"}})
    await bmc.system()
    assert logins(fake) == 1


async def test_a_bmc_without_sessions_lists_none(fake, bmc):
    fake.resources["/redfish/v1"]["Links"] = {}
    with pytest.raises(BmcUnsupported):
        await bmc.sessions()


async def test_sessions_of_people_are_not_listed(fake, bmc):
    """A sweep closes what it finds here: it must log nobody out of the BMC's own pages."""
    await bmc.system()
    rows = [{"@odata.id": f"{SESSIONS}/{n}", "UserName": user} for n, user in ((1, USER), (2, "backup"), (3, USER))]
    rows[2]["ClientOriginIPAddress"] = "192.0.2.7"
    fake.replies[f"GET {SESSIONS}"] = Reply(200, shapes.collection(rows))
    assert await bmc.sessions() == (f"{SESSIONS}/1",)


async def test_sessions_are_listed_and_closed(fake, bmc):
    fake.open["other"] = f"{SESSIONS}/9"
    assert set(await bmc.sessions()) == {f"{SESSIONS}/1", f"{SESSIONS}/9"}
    await bmc.delete_session(f"{SESSIONS}/9")
    fake.replies[f"DELETE {SESSIONS}/9"] = Reply(404)
    await bmc.delete_session(f"{SESSIONS}/9")
    assert set(fake.open.values()) == {f"{SESSIONS}/1"}
    with pytest.raises(BmcRefused):
        await bmc.delete_session("https://elsewhere/1")
