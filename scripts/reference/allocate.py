"""Allocates FOCUS charges in DuckDB, exactly: all money is a HUGEINT in units of 10^-12.

DuckDB refuses to overflow, so a wrong width is an error and never a wrong figure. Reads the
relation `focus_charges` and `telemetry(Telemetry, MatchKey, Day, Target, Units, Period)`, where
Period says whether a day is in the billing period (`current`), the one before (`previous`) or neither
(`other`), and leaves the table `splits`: one row per cell, day, part and target.
"""

from .rules import FOLLOWERS, LEVELS

COSTS = ["Billed", "Effective", "List", "Contracted"]
KEPT = ["ServiceProviderName", "ServiceName", "SubAccountId", "RegionId", "ChargeCategory",
        "ChargeFrequency", "service", "team"]
# What a follower takes over from its usage where it has no value; in the order of their names.
INHERITED = ["service", "team"]
FOLLOW_KEYS = ["CommitmentDiscountId", "ResourceId", "SkuId"]

MACROS = """
-- R(c * x / n), half away from zero; // cuts towards zero
create or replace macro portion(c, x, n) as sign(c) * ((2 * abs(c) * x + n) // (2 * n));
create or replace macro apportion(c, before, upto, n) as
    portion(c, upto::hugeint, n::hugeint) - portion(c, before::hugeint, n::hugeint);
create or replace macro units(x) as (x * 1000000000000::decimal(13, 0))::hugeint;
"""


def each_cost(template):
    """One select item per ledger, for example `apportion(?Cost, …) as ?Cost`."""
    return ",\n".join(template.replace("?", cost) for cost in COSTS)


def cells(rules, kept):
    """Charges that agree in everything allocation can see become one cell per day or span."""
    follower = " ".join(f"when {condition} then '{kind}'" for kind, condition in FOLLOWERS.items())
    matched = " ".join(f"when {rule.when} then '{rule.id}'" for rule in rules)
    columns = ["x_Source", "x_Finality", "BillingCurrency", "BillingAccountId", *kept, "customer",
               "follower_kind", "follower", "rule", "first_moment", "last_moment",
               *(f"Follow{key}" for key in FOLLOW_KEYS)]
    # Resources, SKUs and commitments are told apart only where some follower asks for them.
    wanted = ", ".join(f"wanted_{key} as (select distinct Own{key} as Follow{key} from matched "
                       f"where follower_kind is not null and Own{key} is not null)"
                       for key in FOLLOW_KEYS)
    known = " ".join(f"left join wanted_{key} on matched.Own{key} = wanted_{key}.Follow{key}"
                     for key in FOLLOW_KEYS)
    return f"""
    create or replace table cells as
    with tagged as (
        select *, Tags ->> '$.service' as service, Tags ->> '$.customer' as customer,
            Tags ->> '$.team' as team, case {follower} end as follower_kind,
            date_trunc('day', ChargePeriodStart) as first_day
        from focus_charges
    ), matched as (
        select *, case {matched} end as matching,
            -- what a correction of an older month corrects is not in this bill: a rule comes first
            follower_kind = 'refund' and ChargePeriodEnd <= BillingPeriodStart and matching is not null
                as of_an_older_month,
            case when not coalesce(of_an_older_month, false) then follower_kind end as follower,
            case when follower is null then matching end as rule,
            -- a charge inside one day needs only the day
            ChargePeriodEnd <= first_day + interval 1 day as in_a_day,
            case when in_a_day then first_day else ChargePeriodStart end as first_moment,
            case when in_a_day then first_day + interval 1 day else ChargePeriodEnd end
                as last_moment,
            -- a follower asks for a commitment only where nothing narrower is known
            case when follower_kind is null
                or follower_kind in ('unused_commitment', 'commitment_purchase')
                or ResourceId is null or ResourceId = CommitmentDiscountId
                then CommitmentDiscountId end as OwnCommitmentDiscountId,
            ResourceId as OwnResourceId, SkuId as OwnSkuId
        from tagged
    ), {wanted}
    select row_number() over () as cell, count(*) as charges,
        {each_cost('units(sum(?Cost)) as ?Cost')},
        {', '.join(columns)}
    from matched {known} group by {', '.join(columns)}"""


DAYS = f"""
    create or replace table days as
    with spans as (
        select *, epoch_us(first_moment) as first_us, epoch_us(last_moment) as last_us,
            unnest(range(first_us // 86400000000, (last_us - 1) // 86400000000 + 1)) as day
        from cells
    )
    select * exclude ({', '.join(c + 'Cost' for c in COSTS)}, first_us, last_us, first_moment,
            last_moment),
        {each_cost('''apportion(?Cost,
            greatest(day * 86400000000 - first_us, 0),
            least((day + 1) * 86400000000, last_us) - first_us, last_us - first_us) as ?Cost''')}
    from spans"""


def values(rows):
    def literal(value):
        if value is None:
            return "null"
        if isinstance(value, str):
            return f"'{value}'"
        return str(value)
    return ", ".join("(" + ", ".join(literal(v) for v in row) + ")" for row in rows)


def rule_tables(connection, rules):
    """The rules as relations: parts with their place in the activity split, shares, fallbacks."""
    parts, shares, fallbacks = [], [], []
    for rule in rules:
        before, total = 0, sum(rule.activities.values())
        for part in sorted(rule.parts, key=lambda part: part.name):
            share = rule.activities.get(part.name, 1)
            parts.append((rule.id, part.name, part.kind, part.driver, int(part.keyed), before,
                          before + share, total or 1))
            before += share
            shares += [(rule.id, target, units) for target, units in part.shares.items()]
        fallbacks += [(rule.id, n, name) for n, name in enumerate(rule.fallback, start=1)]
    for name, columns, rows in [
        ("rule_parts", "rule, part, kind, driver, keyed, part_before, part_upto, part_total", parts),
        ("rule_shares", "rule, target, units", shares),
        ("rule_fallbacks", "rule, position, fallback", fallbacks),
    ]:
        connection.execute(f"create or replace table {name} as select * from "
                           f"(values {values(rows)}) as t({columns})")


PART_COSTS = f"""
    create or replace view part_costs as
    select days.* exclude ({', '.join(c + 'Cost' for c in COSTS)}),
        part, kind, driver, case when keyed = 1 then coalesce(service, '\\0') else '' end as key,
        {each_cost('apportion(?Cost, part_before, part_upto, part_total) as ?Cost')}
    from days join rule_parts using (rule)"""

# What was measured on a day; a net negative measurement weighs nothing.
MEASURED = """
    create or replace table measured as
    select Telemetry as driver, MatchKey as key, Day as day, Target as target,
        greatest(sum(Units), 0) as units
    from telemetry where Units is not null group by all;
    create or replace table measured_previously as
    select driver, key, target, sum(units) as units from (
        select Telemetry as driver, MatchKey as key, Day, Target as target, sum(Units) as units
        from telemetry where Period = 'previous' group by all)
    where units > 0 group by all;
    create or replace table seen as
    select distinct driver, target from (
        select Telemetry as driver, MatchKey, Day, Target as target, sum(Units) as units
        from telemetry where Period = 'current' group by all)
    where units > 0 and target not in ('idle', 'unallocated')"""

# Measured beats everything, also when it is zero; then the rule's fallbacks in their order.
POOLS = """
    create or replace table pools as
    with needed as (
        select distinct rule, part, kind, driver, key, case when kind = 'driver' then day end as day
        from part_costs
    ), totals as (
        select driver, key, day, sum(units) as total from measured group by all
    ), choices as (
        select needed.*, 0 as position,
            case when kind = 'seen' then 'even' when kind = 'fixed' then 'fixed'
                 when total > 0 then 'actual' when total = 0 then 'idle' end as choice
        from needed left join totals using (driver, key, day)
        union all
        select needed.*, position, fallback
        from needed join rule_fallbacks using (rule)
        where kind = 'driver' and case fallback
            when 'previous_period' then (driver, key) in (select (driver, key) from measured_previously)
            when 'even' then driver in (select driver from seen) end
        union all
        select needed.*, 1000, 'unallocated' from needed
    )
    select row_number() over () as pool, rule, part, kind, driver, key, day,
        arg_min(choice, position) as choice
    from choices where choice is not null group by rule, part, kind, driver, key, day"""

WEIGHTS = """
    create or replace table weights as
    with quantities as (
        select pool, target, units from pools join measured using (driver, key, day)
        where choice = 'actual'
        union all
        select pool, target, units from pools join measured_previously using (driver, key)
        where choice = 'previous_period'
        union all
        select pool, target, 1 from pools join seen using (driver) where choice = 'even'
        union all
        select pool, target, units from pools join rule_shares using (rule) where choice = 'fixed'
        union all
        select pool, choice, 1 from pools where choice in ('idle', 'unallocated')
    ), cumulated as (
        select pool, target, units::hugeint as units,
            sum(units) over (partition by pool order by target
                rows between unbounded preceding and current row)::hugeint as upto,
            sum(units) over (partition by pool)::hugeint as total
        from quantities
    )
    select pool, target, upto - units as before, upto, total from cumulated where units > 0"""

SPLITS = f"""
    create or replace table splits as
    select part_costs.* exclude ({', '.join(c + 'Cost' for c in COSTS)}), target,
        {each_cost('apportion(?Cost, before, upto, total) as ?Cost')}
    from part_costs
    join pools on part_costs.rule = pools.rule and part_costs.part = pools.part
        and part_costs.driver is not distinct from pools.driver and part_costs.key = pools.key
        and (pools.day is null or part_costs.day = pools.day)
    join weights using (pool)
    union all by name
    select *, case when rule = 'dedicated' then customer else 'unallocated' end as target
    from days
    where follower is null and (rule is null or rule = 'dedicated')"""


def follow():
    """Followers take the first level at which some usage has a positive effective cost.

    Of that usage they inherit the dimensions they lack, which tell quantities apart like targets.
    """
    level_keys = {name: [*columns, "BillingAccountId", "BillingCurrency"]
                  for name, columns in LEVELS.items()}

    def key(columns):
        return "concat_ws('|', " + ", ".join(columns) + ")"

    dimensions = ", ".join(INHERITED)
    lacks = ", ".join(f"lacks_{name}" for name in INHERITED)
    inherited = ", ".join(f"inherited_{name}" for name in INHERITED)
    weights = " union all ".join(
        f"select {n} as level, {key(columns)} as level_key, target, {dimensions}, EffectiveCost "
        f"from splits where follower_kind is null and EffectiveCost > 0 and {columns[0]} is not null"
        for n, columns in enumerate(level_keys.values()))
    wanted = " union all ".join(
        f"select cell, {n} as level, {key(columns)} as level_key from cells "
        f"where follower is not null and {columns[0]} is not null"
        for n, columns in enumerate(level_keys.values()))
    # within a target, quantities stand in the order of the dimensions written as JSON
    written = ", ".join(f"""'"x_{name.title()}":"' || inherited_{name} || '"'""" for name in INHERITED)
    return f"""
    create or replace table followed_cost as
    select level, level_key, target, {dimensions}, sum(EffectiveCost)::hugeint as units
    from ({weights}) group by all;
    create or replace table followed as
    select cell, min(level) as level, arg_min(level_key, level) as level_key,
        {', '.join(f'any_value(cells.{name} is null) as lacks_{name}' for name in INHERITED)}
    from ({wanted}) join (select distinct level, level_key from followed_cost)
        using (level, level_key) join cells using (cell)
    group by cell;
    create or replace table follow_weights as
    with summed as (
        select level, level_key, {lacks}, target,
            {', '.join(f'case when lacks_{name} then {name} end as inherited_{name}' for name in INHERITED)},
            sum(units)::hugeint as units
        from (select distinct level, level_key, {lacks} from followed)
        join followed_cost using (level, level_key)
        group by all
    ), cumulated as (
        select *, sum(units) over (partition by level, level_key, {lacks}
                order by target, concat_ws(',', {written})
                rows between unbounded preceding and current row)::hugeint as upto,
            sum(units) over (partition by level, level_key, {lacks})::hugeint as total
        from summed
    )
    select level, level_key, {lacks}, target, {inherited}, upto - units as before, upto, total
    from cumulated;
    insert into splits by name
    select days.* exclude ({', '.join(c + 'Cost' for c in COSTS)}, rule, {dimensions}), follower as rule,
        {', '.join(f'coalesce(days.{name}, inherited_{name}) as {name}' for name in INHERITED)},
        coalesce(target, 'unallocated') as target,
        {each_cost('case when target is null then days.?Cost else apportion(days.?Cost, before, upto, total) end as ?Cost')}
    from days left join followed using (cell) left join follow_weights using (level, level_key, {lacks})
    where follower is not null"""


def allocate(connection, rules, kept=KEPT):
    """Runs all steps; `splits` is the result. `kept` are the dimensions cells are told apart by."""
    connection.execute(MACROS)
    rule_tables(connection, rules)
    connection.execute(cells(rules, kept))
    connection.execute(DAYS)
    connection.execute(PART_COSTS)
    connection.execute(MEASURED)
    connection.execute(POOLS)
    connection.execute(WEIGHTS)
    connection.execute(SPLITS)
    connection.execute(follow())
