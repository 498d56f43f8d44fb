-- model:   int_drivers__follow_quantities
-- grain:   one row per cost pool of followers and target (PoolId, TargetId)
-- inputs:  allocation_cell_pools, allocation_follow_weights
-- params:  $stage
-- why:     the quantities of the pools that some follower chose, in the form every kind of stage
--          delivers. Followers of the same usage share a pool.

with

pools as (

    select distinct PoolId, Level, LevelKey
    from allocation_cell_pools

),

weights as (

    select * from allocation_follow_weights

)

select
    pools.PoolId,
    'target' as Level,
    $stage as Stage,
    cast(null as varchar) as RuleId,
    cast(null as varchar) as Activity,
    pools.Level as Driver,
    pools.LevelKey as DriverKey,
    cast(null as date) as ChargeDate,
    weights.TargetId,
    'cost' as DriverSource,
    false as IsEstimated,
    case
        when weights.TargetId in ('idle', 'unallocated') then 'follows_' || weights.TargetId
    end as Reason,
    weights.Quantity
from pools
inner join weights
    on pools.Level = weights.Level
    and pools.LevelKey = weights.LevelKey
