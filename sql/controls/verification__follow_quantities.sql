-- model:   verification__follow_quantities
-- grain:   one row per quantity of followers that their usage does not give (PoolId, TargetId,
--          Inherited)
-- inputs:  allocation_follow_quantities, driver_quantities
-- params:  none
-- why:     followers take the shares of usage, which the tables hold: no telemetry is needed to
--          make their quantities again. Both sides are summed instead of joined.

with

expected as (

    select
        PoolId,
        Driver,
        DriverKey,
        TargetId,
        Inherited,
        cast(1 as bigint) as ExpectedRows,
        cast(0 as bigint) as FoundRows,
        Quantity as Expected,
        cast(0 as decimal(38, 12)) as Found
    from allocation_follow_quantities

),

found as (

    select
        x_PoolId as PoolId,
        x_AllocationDriver as Driver,
        x_AllocationDriverKey as DriverKey,
        x_AllocationTargetId as TargetId,
        x_InheritedDimensions as Inherited,
        cast(0 as bigint) as ExpectedRows,
        cast(1 as bigint) as FoundRows,
        cast(0 as decimal(38, 12)) as Expected,
        x_DriverQuantity as Found
    from driver_quantities
    where x_AllocationStage = 'followers'

),

both_sides as (

    select * from expected
    union all
    select * from found

)

select
    PoolId,
    Driver,
    DriverKey,
    TargetId,
    Inherited,
    cast(sum(Expected) as decimal(38, 12)) as Expected,
    cast(sum(Found) as decimal(38, 12)) as Found
from both_sides
group by PoolId, Driver, DriverKey, TargetId, Inherited
having
    sum(ExpectedRows) <> sum(FoundRows)
    or sum(Expected) <> sum(Found)
