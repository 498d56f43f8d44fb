"""The allocation rules of pipelines/sample.yaml and benches/pipeline.yaml, as plain data.

Written out once more by hand, because a reference that reads the same file with the same
understanding would only repeat a mistake. Order matters: the first rule that matches wins.
"""

from dataclasses import dataclass, field

ONE = 10**12  # shares are declared in units of 10^-12


@dataclass(frozen=True)
class Part:
    """One split of a rule: by telemetry, evenly over who was seen, or by declared shares."""

    name: str
    kind: str  # driver, seen, fixed
    driver: str | None = None
    keyed: bool = False  # whether the driver is matched by service
    shares: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A rule; `activities` holds the declared share of each part when there are several."""

    id: str
    when: str
    method: str
    parts: tuple = ()
    activities: dict = field(default_factory=dict)
    fallback: tuple = ()


def by_driver(name, when, driver, fallback=("previous_period", "even")):
    return Rule(name, when, "proportional", (Part(name, "driver", driver, keyed=True),),
                fallback=fallback)


def fixed(name, when, shares):
    rest = ONE - sum(shares.values())
    return Rule(name, when, "fixed", (Part(name, "fixed", shares=shares | (
        {"unallocated": rest} if rest else {})),))


DEDICATED = Rule("dedicated", "customer is not null", "direct")
PLATFORM = Rule(
    "platform", "service = 'platform'", "activity_based",
    (Part("run workloads", "driver", "cpu_seconds", keyed=True),
     Part("route traffic", "driver", "traffic")),
    activities={"run workloads": 7 * ONE // 10, "route traffic": 3 * ONE // 10},
    fallback=("previous_period",))
BACK_OFFICE = by_driver("back-office", "service in ('billing', 'reporting')", "cpu_seconds", ("even",))
EDGE = Rule("edge", "service in ('cdn', 'dns')", "even", (Part("edge", "seen", "traffic"),))

SAMPLE = [
    DEDICATED,
    by_driver("by-requests", "service in ('api', 'checkout', 'search', 'media', 'ingest', 'loyalty')",
              "requests"),
    by_driver("databases", "ServiceCategory = 'Databases'", "query_seconds"),
    PLATFORM, BACK_OFFICE, EDGE,
    fixed("monitoring", "service = 'monitoring'",
          {"aurora": ONE // 4, "kestrel": ONE // 5, "birch": ONE // 10}),
]
BENCH = [
    DEDICATED,
    by_driver("databases", "service in ('orders-db', 'analytics-db')", "query_seconds"),
    PLATFORM, BACK_OFFICE,
    by_driver("by-requests", "service in ('api', 'checkout', 'search', 'media')", "requests"),
    EDGE,
    fixed("monitoring", "service = 'monitoring'",
          {"customer-001": ONE // 4, "customer-002": ONE // 5, "customer-003": ONE // 10}),
]

# A charge that belongs to other charges follows them, whatever the rules say; the first wins.
FOLLOWERS = {
    "credit": "ChargeCategory = 'Credit'",
    "refund": "ChargeClass = 'Correction'",
    "tax": "ChargeCategory = 'Tax'",
    "support": "x_ServiceCode like 'AWSSupport%'",
    "unused_commitment": "CommitmentDiscountStatus = 'Unused'",
    "commitment_purchase": "ChargeCategory = 'Purchase' and CommitmentDiscountId is not null",
}

# What a follower looks for, from the narrowest to the widest.
LEVELS = {
    "commitment": ["FollowCommitmentDiscountId"],
    "resource": ["FollowResourceId"],
    "sku": ["FollowSkuId"],
    "service": ["ServiceName", "SubAccountId"],
    "account": [],
}
