-- model:   int_drivers__pool_quantities
-- grain:   one row per cost pool and target (PoolId, TargetId)
-- inputs:  allocation_pool_sources, allocation_parts, allocation_shares, driver_days,
--          driver_previous_period, driver_seen_targets, allocation_cost_weights
-- params:  none
-- why:     the quantities of every pool from its chosen source. This is the only place where the
--          methods differ: after it, a split is a split. In a pool that splits over activities
--          the targets are activities; what is not one of the rule's goes to `unallocated`.

with

pools as (

    select * from allocation_pool_sources

),

activities as (

    select distinct RuleId, PartName
    from allocation_parts
    where ActivityKind is not null

),

shares as (

    select * from allocation_shares

),

days as (

    select * from driver_days

),

previous_period as (

    select * from driver_previous_period

),

seen_targets as (

    select * from driver_seen_targets

),

cost_weights as (

    select * from allocation_cost_weights

),

quantities as (

    select pools.PoolId, days.TargetId, days.Quantity
    from pools
    inner join days
        on pools.Driver = days.Telemetry
        and pools.DriverKey = days.MatchKey
        and pools.DriverDate = days.ChargeDate
    where pools.DriverSource = 'actual'
    union all
    select pools.PoolId, previous_period.TargetId, previous_period.Quantity
    from pools
    inner join previous_period
        on pools.Driver = previous_period.Telemetry
        and pools.DriverKey = previous_period.MatchKey
    where pools.DriverSource = 'previous_period'
    union all
    select pools.PoolId, seen_targets.TargetId, cast(1 as decimal(38, 12)) as Quantity
    from pools
    inner join seen_targets
        on pools.Driver = seen_targets.Telemetry
    where
        pools.DriverSource = 'even'
        and pools.Kind <> 'equal'
    union all
    select pools.PoolId, shares.TargetId, shares.Quantity
    from pools
    inner join shares
        on pools.Level = shares.Level
        and pools.RuleId = shares.RuleId
    where pools.Kind in ('fixed', 'equal')
    union all
    select pools.PoolId, cost_weights.TargetId, cost_weights.Quantity
    from pools
    inner join cost_weights
        on pools.Ledger = cost_weights.Ledger
        and pools.BillingCurrency = cost_weights.BillingCurrency
    where pools.DriverSource = 'cost'
    union all
    select PoolId, DriverSource as TargetId, cast(1 as decimal(38, 12)) as Quantity
    from pools
    where DriverSource in ('idle', 'unallocated')

),

named as (

    select
        pools.PoolId,
        case
            when pools.Level = 'activity' and activities.PartName is null then 'unallocated'
            else quantities.TargetId
        end as TargetId,
        quantities.Quantity
    from pools
    inner join quantities
        on pools.PoolId = quantities.PoolId
    left join activities
        on pools.RuleId = activities.RuleId
        and quantities.TargetId = activities.PartName

),

totals as (

    select PoolId, TargetId, sum(Quantity) as Quantity
    from named
    group by PoolId, TargetId

)

select
    pools.PoolId,
    pools.Level,
    pools.Stage,
    pools.RuleId,
    pools.Activity,
    coalesce(pools.Driver, pools.Ledger) as Driver,
    case
        when pools.Kind = 'cost' then match_key(pools.BillingCurrency)
        else pools.DriverKey
    end as DriverKey,
    pools.DriverDate as ChargeDate,
    totals.TargetId,
    cast(null as varchar) as Inherited,
    pools.DriverSource,
    pools.Kind = 'driver' and pools.DriverSource in ('previous_period', 'even') as IsEstimated,
    case
        when totals.TargetId not in ('idle', 'unallocated') then null
        when pools.DriverSource = 'idle' then 'driver_measured_zero'
        when pools.DriverSource = 'unallocated' and pools.Kind = 'cost' then 'nothing_to_follow'
        when pools.DriverSource = 'unallocated' then 'driver_missing'
        when pools.DriverSource = 'cost' then 'follows_' || totals.TargetId
        when totals.TargetId = 'idle' then 'declared'
        when pools.Kind in ('fixed', 'equal') then 'share_remainder'
        when pools.Level = 'activity' then 'telemetry_without_activity'
        else 'telemetry_without_target'
    end as Reason,
    totals.Quantity
from pools
inner join totals
    on pools.PoolId = totals.PoolId
