-- model:   int_drivers__pool_sources
-- grain:   one row per cost pool (PoolId)
-- inputs:  allocation_pools, allocation_fallbacks, driver_days, driver_previous_period,
--          driver_seen_targets, allocation_cost_weights
-- params:  none
-- why:     decides where a pool's quantities come from. Measured beats every fallback, also when
--          it was measured as zero (`idle`): a missing and a zero driver are different facts. The
--          fallbacks of the rule come next in their order, `unallocated` always last.

with

pools as (

    select * from allocation_pools

),

fallbacks as (

    select * from allocation_fallbacks

),

measured_days as (

    select
        Telemetry,
        MatchKey,
        ChargeDate,
        sum(Quantity) as Total
    from driver_days
    group by Telemetry, MatchKey, ChargeDate

),

measured_previously as (

    select distinct Telemetry, MatchKey
    from driver_previous_period

),

drivers_with_targets as (

    select distinct Telemetry
    from driver_seen_targets

),

positive_costs as (

    select distinct Ledger, BillingCurrency
    from allocation_cost_weights
    where Quantity > 0

),

candidates as (

    select
        pools.PoolId,
        0 as Position,
        case when measured_days.Total > 0 then 'actual' else 'idle' end as DriverSource
    from pools
    inner join measured_days
        on pools.Driver = measured_days.Telemetry
        and pools.DriverKey = measured_days.MatchKey
        and pools.DriverDate = measured_days.ChargeDate
    where pools.Kind = 'driver'
    union all
    select
        pools.PoolId,
        0 as Position,
        case when pools.Kind = 'fixed' then 'fixed' else 'even' end as DriverSource
    from pools
    where pools.Kind in ('fixed', 'equal')
    union all
    select pools.PoolId, 0 as Position, 'even' as DriverSource
    from pools
    inner join drivers_with_targets
        on pools.Driver = drivers_with_targets.Telemetry
    where pools.Kind = 'seen'
    union all
    select pools.PoolId, 0 as Position, 'cost' as DriverSource
    from pools
    inner join positive_costs
        on pools.Ledger = positive_costs.Ledger
        and pools.BillingCurrency = positive_costs.BillingCurrency
    where pools.Kind = 'cost'
    union all
    select pools.PoolId, fallbacks.Position, fallbacks.Fallback as DriverSource
    from pools
    inner join fallbacks
        on pools.RuleId = fallbacks.RuleId
    inner join measured_previously
        on pools.Driver = measured_previously.Telemetry
        and pools.DriverKey = measured_previously.MatchKey
    where
        pools.Kind = 'driver'
        and fallbacks.Fallback = 'previous_period'
    union all
    select pools.PoolId, fallbacks.Position, fallbacks.Fallback as DriverSource
    from pools
    inner join fallbacks
        on pools.RuleId = fallbacks.RuleId
    inner join drivers_with_targets
        on pools.Driver = drivers_with_targets.Telemetry
    where
        pools.Kind = 'driver'
        and fallbacks.Fallback = 'even'
    union all
    select pools.PoolId, 1000 as Position, 'unallocated' as DriverSource
    from pools

),

chosen as (

    -- at most one candidate has a position, so the smallest text is the only one
    select
        PoolId,
        min(lpad(cast(Position as varchar), 4, '0') || DriverSource) as Choice
    from candidates
    group by PoolId

)

select
    pools.*,
    substr(chosen.Choice, 5) as DriverSource
from pools
inner join chosen
    on pools.PoolId = chosen.PoolId
