"""validate: the installed host passes the profile's tests; then, if asked, it is given to the scheduler."""

from provisioning.agent.client import AgentError
from provisioning.operations import judge
from provisioning.operations.context import Context
from provisioning.operations.install import agent_token
from provisioning.operations.kinds import MINUTE, Kind, Step
from provisioning.operations.outcomes import Done, Evidence, Fail, IntoService, Outcome, Retry, Wait


async def check(ctx: Context) -> Outcome:
    """The BMC says on and well; one read."""
    state = await ctx.bmc.system()
    if state.power != "On":
        return Fail(f"the host's power is {state.power or 'unknown'}", "power_off")
    if state.health == "critical":
        return Fail("the BMC says that the host's health is critical", "bmc_health")
    return Done(f"power On, health {state.health}")


def _token(ctx: Context) -> str:
    return agent_token(ctx.host.serial, ctx.host.boot_id)


def _tests_id(ctx: Context) -> str:
    """One id a run: a retry by a person counts up (provisioning.engine.ask)."""
    return f"{ctx.operation_id}-{ctx.result.get('run', 1)}"


async def start(ctx: Context) -> Outcome:
    """Start the tests under this operation's id; the agent runs an id once, so a second run starts nothing."""
    tests = ctx.profile.get("validate", {}).get("tests", [])
    try:
        await ctx.intend("start the validation tests")
        await ctx.agent.start_tests(ctx.host.address, _token(ctx), _tests_id(ctx), tests)
    except AgentError as error:
        return Retry(error.words, "unreachable", counts=not error.passing)
    minutes = sum(float(t.get("minutes", 0)) for t in tests)
    return Done(f"{len(tests)} tests started, {minutes:.0f} min", {"test_minutes": minutes})


async def tests(ctx: Context) -> Outcome:
    """Look at the tests until they end, and judge. Reads only."""
    waited = (ctx.now - ctx.step_started_at).total_seconds()
    if waited < 1 and ctx.result.get("test_minutes"):
        return Wait(float(ctx.result["test_minutes"]) * MINUTE + 30, "tests are running")
    try:
        state = await ctx.agent.tests(ctx.host.address, _token(ctx), _tests_id(ctx))
    except AgentError as error:
        return Retry(error.words, "unreachable", counts=not error.passing)
    if state.get("state") != "done":
        done, total = judge.count_of(state.get("done")), judge.count_of(state.get("total"))
        return Wait(MINUTE, f"test {done + 1} of {total}", progress=(done, total))
    results = judge.rows_of(state.get("results"))
    words = "; ".join(judge.failed_tests(results, ctx.profile.get("validate", {}).get("tests", [])))
    evidence = Evidence("validation", words or "all tests passed", {"results": results})
    if words:
        return Fail(words, "validation", (evidence,))
    into = (IntoService(),) if ctx.params.get("into_service") else ()
    return Done(f"{len(results)} tests passed", effects=(evidence, *into))


KIND = Kind(
    name="validate",
    steps=(
        Step("check", check, 20 * MINUTE, "bmc_unreachable"),
        Step("start", start, 20 * MINUTE, "unreachable"),
        Step("tests", tests, 60 * MINUTE, "validation", tests="validate"),
    ),
    from_states=frozenset({"installed", "validated", "quarantined", "repair_hands", "repair_vendor"}),
    deadline_s=90 * MINUTE,
    becomes="validated",
)
