-- model:   int_drivers__follow_quantities
-- grain:   one row per cost pool of followers, target and inherited dimensions
-- inputs:  allocation_cell_pools, allocation_follow_weights
-- params:  $stage
-- why:     the quantities of the pools that some follower chose, in the form every kind of stage
--          delivers. What the followers of a pool have themselves does not tell its quantities
--          apart.

with

pools as (

    select distinct PoolId, Level, LevelKey, Inherits
    from allocation_cell_pools

),

weights as (

    select * from allocation_follow_weights

),

quantities as (

    select
        pools.PoolId,
        pools.Level,
        pools.LevelKey,
        weights.TargetId,
        members_of(weights.Inheritable, pools.Inherits) as Inherited,
        weights.Quantity
    from pools
    inner join weights
        on pools.Level = weights.Level
        and pools.LevelKey = weights.LevelKey

),

totals as (

    select PoolId, Level, LevelKey, TargetId, Inherited, sum(Quantity) as Quantity
    from quantities
    group by PoolId, Level, LevelKey, TargetId, Inherited

)

select
    PoolId,
    'target' as Level,
    $stage as Stage,
    cast(null as varchar) as RuleId,
    cast(null as varchar) as Activity,
    Level as Driver,
    LevelKey as DriverKey,
    cast(null as date) as ChargeDate,
    TargetId,
    Inherited,
    'cost' as DriverSource,
    false as IsEstimated,
    case when TargetId in ('idle', 'unallocated') then 'follows_' || TargetId end as Reason,
    Quantity
from totals
