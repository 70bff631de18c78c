"""The terms of the report of disruptions, each with its formula."""

from analysis import words
from analysis.disruption_runs import DisruptedRun, DisruptedRuns

# What each target is, and what it is not.
TARGETS = {
    "local": "the replicas are processes of one machine behind a small front that gives each "
    "request to the next ready one and repeats nothing; whoever dies is started again at once. "
    "They share its processors without limits. No cluster: a kubelet notices a death later",
    "docker": "the replicas are containers of one engine with the variant's limits, behind a small "
    "front that gives each request to the next ready one and repeats nothing; whoever dies is "
    "started again at once. No cluster: a kubelet notices a death later",
    "k3s": "the replicas are pods of a Kubernetes behind its Service, which balances connections, "
    "not requests; times of pods are those at which the cluster's messages arrived here",
}
# What a goal that is met there does not show.
STAND_IN = (
    "Here a front of optbuild's own takes a leaving replica out of turn, which in a cluster the "
    "manifests have to bring about: a goal that is met shows that the server finishes what it has, "
    "not that a deployment to Kubernetes loses nothing. --target k3s shows that"
)


def goal(run: DisruptedRun) -> str:
    """The goal of a run's experiment with two or more replicas; empty where none is set."""
    if run.fault.goal == "none lost":
        return "no request lost"
    if run.fault.goal == "only those in flight":
        where = "on the killed replica" if run.impact.replicas_known else "anywhere at the kill"
        return f"only requests in flight {where} are lost"
    return ""


def caveat(run: DisruptedRun) -> str:
    """What is to be known beside the goal; empty where nothing is."""
    return STAND_IN if goal(run) and run.fault.target in ("local", "docker") else ""


def definitions(runs: DisruptedRuns) -> list[tuple[str, str]]:
    """Every term of the tables, with its formula."""
    facts, window_s = runs.runs[0].facts, max(run.impact.window_s for run in runs.runs)
    limit = words.duration(facts.slo_limit_s)
    target = runs.runs[0].fault.target
    known = all(run.impact.replicas_known for run in runs.runs)
    return [
        ("target", f"{target}: {TARGETS.get(target, 'unknown to this version')}"),
        ("fault", "begins at F and ends at E, when it is over and undone (shaded in the figures); "
         "planned at the same second of the schedule for every variant of a block"),
        ("steady state", "the run before F. A run whose steady state failed a request, or missed "
         "the SLO, is invalid, and its block is repeated"),
        ("at stake", "requests that had not ended at F: in flight, or planned later"),
        ("availability", "answered rightly / at stake; during the fault: of those planned "
         "before E"),
        ("lost", "at stake and not answered rightly: a connection that was refused or broke "
         "(reset), timeout, 429 (rejected), 503 (unavailable: no replica was ready), any other "
         "answer (wrong). No request is sent twice; a connection that has been idle for 2 s is not "
         "used again, since the server may be about to close it"),
        ("in flight", "lost requests that were under way "
         + ("on a replica when that one was killed" if known else
            "on any replica when one was killed (who had which is not known here)")
         + ". A kill lasts from its order until the replica is gone. Others: lost although no "
         "process that had them died"),
        ("detected", "from F until the first bad request shows: it failed, or its time within the "
         "SLO ran out"),
        ("ready", "from F until as many replicas as wanted are ready, for good"),
        ("back within the SLO", f"from F to the first instant after which every window of "
         f"{words.duration(window_s)} has {facts.slo_quantile} < {limit}, failures counting as "
         "slow. \"> x\": the run ended first"),
        ("excess latency", "request-seconds: sum over answered requests at stake of "
         "max(0, latency - steady median), less what as many requests have in the steady state"),
        ("missing goodput", f"requests: steady share of requests answered rightly within {limit}, "
         "times those at stake, less those of them that were"),
        ("effect", "Hodges-Lehmann estimate of the log ratios over blocks, first variant / this "
         "one, with its exact signed-rank interval. Half a request is added to counts, half a "
         "window to times, since they may be 0. A time that was not reached enters as the lower "
         "bound that it is"),
        ("p", "exact sign-flip test, corrected by Holm over all comparisons of an experiment; "
         f"margin {words.percent(runs.plan.margin, 0)}"),
        ("goal", "what the product's own set-up promises with two or more replicas at half the "
         "capacity: no request lost where replicas leave with grace; without grace only those in "
         "flight " + ("on the killed replica" if known else "at the kill")
         + (f". {STAND_IN}" if target != "k3s" else "")),
    ]  # fmt: skip
