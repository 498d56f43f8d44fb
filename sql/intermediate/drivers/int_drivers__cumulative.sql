-- model:   int_drivers__cumulative
-- grain:   one row per cost pool, target and inherited dimensions (PoolId, TargetId, Inherited)
-- inputs:  allocation_pool_quantities, allocation_pool_quantities
-- params:  none
-- why:     orders the targets of a pool by name and cumulates their quantities: the boundaries
--          between which apportion() cuts. The window runs over pools, never over charges; the
--          total is an aggregate, because a window over whole partitions would hold them all.

with

quantities as (

    select * from allocation_pool_quantities

),

totals as (

    select PoolId, sum(Quantity) as QuantityTotal
    from allocation_pool_quantities
    group by PoolId

),

cumulated as (

    select
        quantities.*,
        sum(Quantity) over (
            partition by PoolId
            order by TargetId, coalesce(Inherited, '')
            rows between unbounded preceding and current row
        ) as QuantityUpTo
    from quantities

)

select
    cumulated.PoolId,
    cumulated.Level,
    cumulated.Stage,
    cumulated.RuleId,
    cumulated.Activity,
    cumulated.Driver,
    cumulated.DriverKey,
    cumulated.ChargeDate,
    cumulated.TargetId,
    cumulated.Inherited,
    cumulated.DriverSource,
    cumulated.IsEstimated,
    cumulated.Reason,
    cumulated.Quantity,
    cast(cumulated.QuantityUpTo - cumulated.Quantity as decimal(38, 12)) as QuantityBefore,
    cumulated.QuantityUpTo,
    totals.QuantityTotal
from cumulated
inner join totals
    on cumulated.PoolId = totals.PoolId
