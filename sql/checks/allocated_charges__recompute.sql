-- model:    allocated_charges__recompute
-- grain:    one row per allocated row that its quantities do not explain
-- inputs:   allocated_charges, driver_quantities
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      every split can be made again from the tables alone: the parts of a cell, pool and day
--           add up to what was split, and driver_quantities says how. A row that a join repeated
--           fails too, because it would change that sum. The small side of each join stands first,
--           where the hash table is built.

with

pool_totals as (

    select
        x_CellId,
        x_PoolId,
        x_ChargeDate,
        sum(BilledCost) as BilledCost,
        sum(EffectiveCost) as EffectiveCost,
        sum(ListCost) as ListCost,
        sum(ContractedCost) as ContractedCost
    from allocated_charges
    where x_PoolId is not null
    group by x_CellId, x_PoolId, x_ChargeDate

),

parts as (

    select
        allocated_charges.x_CellId,
        allocated_charges.x_PoolId,
        allocated_charges.x_ChargeDate,
        allocated_charges.x_AllocationTargetId,
        coalesce(allocated_charges.x_InheritedDimensions, '') as Inherited,
        allocated_charges.x_AllocationShare,
        allocated_charges.BilledCost,
        allocated_charges.EffectiveCost,
        allocated_charges.ListCost,
        allocated_charges.ContractedCost,
        pool_totals.BilledCost as WholeBilled,
        pool_totals.EffectiveCost as WholeEffective,
        pool_totals.ListCost as WholeList,
        pool_totals.ContractedCost as WholeContracted
    from pool_totals
    inner join allocated_charges
        on pool_totals.x_CellId = allocated_charges.x_CellId
        and pool_totals.x_PoolId = allocated_charges.x_PoolId
        and pool_totals.x_ChargeDate = allocated_charges.x_ChargeDate

),

quantities as (

    select
        x_PoolId,
        x_AllocationTargetId,
        coalesce(x_InheritedDimensions, '') as Inherited,
        x_DriverQuantity as Quantity,
        x_DriverQuantityBefore as Before,
        x_DriverQuantityUpTo as UpTo,
        x_DriverQuantityTotal as Total
    from driver_quantities

)

select
    parts.x_CellId,
    parts.x_PoolId,
    parts.x_ChargeDate,
    parts.x_AllocationTargetId,
    parts.Inherited,
    parts.x_AllocationShare,
    parts.BilledCost,
    apportion(parts.WholeBilled, Before, UpTo, Total) as ExpectedBilled,
    parts.EffectiveCost,
    apportion(parts.WholeEffective, Before, UpTo, Total) as ExpectedEffective
from quantities
right join parts
    on quantities.x_PoolId = parts.x_PoolId
    and quantities.x_AllocationTargetId = parts.x_AllocationTargetId
    and quantities.Inherited = parts.Inherited
where
    quantities.Total is null
    or parts.x_AllocationShare <> divide_round(Quantity, Total)
    or parts.BilledCost <> apportion(parts.WholeBilled, Before, UpTo, Total)
    or parts.EffectiveCost <> apportion(parts.WholeEffective, Before, UpTo, Total)
    or parts.ListCost <> apportion(parts.WholeList, Before, UpTo, Total)
    or parts.ContractedCost <> apportion(parts.WholeContracted, Before, UpTo, Total)
