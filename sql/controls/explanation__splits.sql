-- model:   explanation__splits
-- grain:   one row per explained part (x_CellId, x_PoolId, x_ChargeDate, x_AllocationActivity)
-- inputs:  explained_parts, cell_parts, cell_parts, driver_quantities, driver_quantities
-- params:  none
-- why:     how each part of a target came about: what was split, by which quantity of which total,
--          and the same for the split over activities that came before. The parts are made again
--          from the quantities, so that the explanation cannot tell another story than the table.
--          Cost is the ledger that is explained.

with

parts as (

    select
        *,
        coalesce(x_InheritedDimensions, '') as Inherited,
        case
            when x_PoolId is null then x_AllocationTargetId
            else coalesce(x_AllocationActivity, x_AllocationDriver)
        end as PartName
    from explained_parts

),

pool_wholes as (

    select
        x_CellId,
        x_PoolId,
        x_ChargeDate,
        cast(sum(Cost) as decimal(38, 12)) as Whole
    from cell_parts
    where x_PoolId is not null
    group by x_CellId, x_PoolId, x_ChargeDate

),

activity_wholes as (

    select
        x_CellId,
        x_ActivityPoolId,
        x_ChargeDate,
        cast(sum(Cost) as decimal(38, 12)) as Whole
    from cell_parts
    where x_ActivityPoolId is not null
    group by x_CellId, x_ActivityPoolId, x_ChargeDate

),

quantities as (

    select
        *,
        coalesce(x_InheritedDimensions, '') as Inherited
    from driver_quantities

),

activity_quantities as (

    select * from driver_quantities

)

select
    -- part
    parts.x_CellId,
    parts.x_ChargeDate,
    parts.x_PoolId,
    parts.x_AllocationActivity,
    parts.x_AllocationDriver,
    quantities.x_AllocationDriverKey,
    parts.x_DriverSource,
    parts.x_IsEstimated,
    parts.x_AllocationReason,
    parts.x_InheritedDimensions,
    parts.Cost,

    -- split over targets
    pool_wholes.Whole,
    quantities.x_DriverQuantity as Quantity,
    quantities.x_DriverQuantityTotal as Total,
    parts.x_AllocationShare as Share,
    apportion(
        pool_wholes.Whole,
        quantities.x_DriverQuantityBefore,
        quantities.x_DriverQuantityUpTo,
        quantities.x_DriverQuantityTotal
    ) as Recomputed,

    -- split over activities before
    case when parts.x_ActivityPoolId is not null then parts.PartName end as ActivityName,
    activity_quantities.x_AllocationDriver as ActivityDriver,
    activity_quantities.x_DriverSource as ActivitySource,
    activity_wholes.Whole as ActivityWhole,
    activity_quantities.x_DriverQuantity as ActivityQuantity,
    activity_quantities.x_DriverQuantityTotal as ActivityTotal,
    apportion(
        activity_wholes.Whole,
        activity_quantities.x_DriverQuantityBefore,
        activity_quantities.x_DriverQuantityUpTo,
        activity_quantities.x_DriverQuantityTotal
    ) as ActivityPart
from parts
left join pool_wholes
    on parts.x_CellId = pool_wholes.x_CellId
    and parts.x_PoolId = pool_wholes.x_PoolId
    and parts.x_ChargeDate = pool_wholes.x_ChargeDate
left join activity_wholes
    on parts.x_CellId = activity_wholes.x_CellId
    and parts.x_ActivityPoolId = activity_wholes.x_ActivityPoolId
    and parts.x_ChargeDate = activity_wholes.x_ChargeDate
left join quantities
    on parts.x_PoolId = quantities.x_PoolId
    and parts.x_AllocationTargetId = quantities.x_AllocationTargetId
    and parts.Inherited = quantities.Inherited
left join activity_quantities
    on parts.x_ActivityPoolId = activity_quantities.x_PoolId
    and parts.PartName = activity_quantities.x_AllocationTargetId
