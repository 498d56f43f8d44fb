-- model:   verification__quantities
-- grain:   one row per cost pool, level, target and inherited dimensions
-- inputs:  driver_quantities, driver_quantities
-- params:  none
-- why:     the written quantities in the form in which splits read them, so that a split can be
--          made again without telemetry. A pool splits either over targets or over activities;
--          which of them is not written, but no pool id is both, so each is offered to both.

with

over_activities as (

    select * from driver_quantities

),

over_targets as (

    select * from driver_quantities

)

select
    x_PoolId as PoolId,
    'activity' as Level,
    x_AllocationStage as Stage,
    x_AllocationRuleId as RuleId,
    x_AllocationActivity as Activity,
    x_AllocationDriver as Driver,
    x_AllocationDriverKey as DriverKey,
    x_ChargeDate as ChargeDate,
    x_AllocationTargetId as TargetId,
    x_InheritedDimensions as Inherited,
    x_DriverSource as DriverSource,
    false as IsEstimated,
    cast(null as varchar) as Reason,
    x_DriverQuantity as Quantity,
    x_DriverQuantityBefore as QuantityBefore,
    x_DriverQuantityUpTo as QuantityUpTo,
    x_DriverQuantityTotal as QuantityTotal
from over_activities
union all
select
    x_PoolId as PoolId,
    'target' as Level,
    x_AllocationStage as Stage,
    x_AllocationRuleId as RuleId,
    x_AllocationActivity as Activity,
    x_AllocationDriver as Driver,
    x_AllocationDriverKey as DriverKey,
    x_ChargeDate as ChargeDate,
    x_AllocationTargetId as TargetId,
    x_InheritedDimensions as Inherited,
    x_DriverSource as DriverSource,
    false as IsEstimated,
    cast(null as varchar) as Reason,
    x_DriverQuantity as Quantity,
    x_DriverQuantityBefore as QuantityBefore,
    x_DriverQuantityUpTo as QuantityUpTo,
    x_DriverQuantityTotal as QuantityTotal
from over_targets
