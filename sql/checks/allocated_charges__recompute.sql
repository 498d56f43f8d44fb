-- model:    allocated_charges__recompute
-- grain:    one row per allocated row that its quantities do not explain
-- inputs:   allocated_charges, driver_quantities
-- params:   none
-- severity: fail
-- why:      every split can be made again from the tables alone: the parts of a cell, pool and day
--           add up to what was split, and driver_quantities says how.

with

pool_totals as (

    select
        x_CellId,
        x_PoolId,
        x_AllocationActivity,
        x_ChargeDate,
        sum(BilledCost) as BilledCost,
        sum(EffectiveCost) as EffectiveCost,
        sum(ListCost) as ListCost,
        sum(ContractedCost) as ContractedCost
    from allocated_charges
    where x_PoolId is not null
    group by x_CellId, x_PoolId, x_AllocationActivity, x_ChargeDate

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
    allocated_charges.x_CellId,
    allocated_charges.x_PoolId,
    allocated_charges.x_ChargeDate,
    allocated_charges.x_AllocationTargetId,
    allocated_charges.EffectiveCost
from allocated_charges
inner join pool_totals
    on allocated_charges.x_CellId = pool_totals.x_CellId
    and allocated_charges.x_PoolId = pool_totals.x_PoolId
    and allocated_charges.x_ChargeDate = pool_totals.x_ChargeDate
    and (
        allocated_charges.x_AllocationActivity
        is not distinct from pool_totals.x_AllocationActivity
    )
left join quantities
    on allocated_charges.x_PoolId = quantities.x_PoolId
    and allocated_charges.x_AllocationTargetId = quantities.x_AllocationTargetId
where
    quantities.Total is null
    or allocated_charges.BilledCost
        <> apportion(pool_totals.BilledCost, Before, UpTo, Total)
    or allocated_charges.EffectiveCost
        <> apportion(pool_totals.EffectiveCost, Before, UpTo, Total)
    or allocated_charges.ListCost
        <> apportion(pool_totals.ListCost, Before, UpTo, Total)
    or allocated_charges.ContractedCost
        <> apportion(pool_totals.ContractedCost, Before, UpTo, Total)
