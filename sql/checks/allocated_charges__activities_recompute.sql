-- model:    allocated_charges__activities_recompute
-- grain:    one row per part of a cell that the quantities of its activity pool do not explain
-- inputs:   allocated_charges, driver_quantities
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      as allocated_charges__recompute, for the split over activities or weighted drivers that
--           comes before the one over targets. In such a pool the targets are these parts.

with

named as (

    select
        x_CellId,
        x_ActivityPoolId,
        x_ChargeDate,
        case
            when x_PoolId is null then x_AllocationTargetId
            else coalesce(x_AllocationActivity, x_AllocationDriver)
        end as PartName,
        EffectiveCost,
        BilledCost
    from allocated_charges
    where x_ActivityPoolId is not null

),

parts as (

    select
        x_CellId,
        x_ActivityPoolId,
        x_ChargeDate,
        PartName,
        sum(EffectiveCost) as EffectiveCost,
        sum(BilledCost) as BilledCost
    from named
    group by x_CellId, x_ActivityPoolId, x_ChargeDate, PartName

),

wholes as (

    select
        x_CellId,
        x_ActivityPoolId,
        x_ChargeDate,
        sum(EffectiveCost) as EffectiveCost,
        sum(BilledCost) as BilledCost
    from parts
    group by x_CellId, x_ActivityPoolId, x_ChargeDate

),

compared as (

    select
        parts.*,
        wholes.EffectiveCost as WholeEffective,
        wholes.BilledCost as WholeBilled
    from wholes
    inner join parts
        on wholes.x_CellId = parts.x_CellId
        and wholes.x_ActivityPoolId = parts.x_ActivityPoolId
        and wholes.x_ChargeDate = parts.x_ChargeDate

),

quantities as (

    select
        x_PoolId,
        x_AllocationTargetId,
        x_DriverQuantityBefore as Before,
        x_DriverQuantityUpTo as UpTo,
        x_DriverQuantityTotal as Total
    from driver_quantities

)

select
    parts.x_CellId,
    parts.x_ActivityPoolId,
    parts.x_ChargeDate,
    parts.PartName,
    parts.EffectiveCost
from quantities
right join compared as parts
    on quantities.x_PoolId = parts.x_ActivityPoolId
    and quantities.x_AllocationTargetId = parts.PartName
where
    quantities.Total is null
    or parts.EffectiveCost <> apportion(parts.WholeEffective, Before, UpTo, Total)
    or parts.BilledCost <> apportion(parts.WholeBilled, Before, UpTo, Total)
