-- model:    driver_quantities__ranges_are_quantities
-- grain:    one row per pool and target whose range is not as wide as its quantity
-- inputs:   driver_quantities
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      a target bears the part of its pool that its range covers. A quantity that says
--           otherwise names the wrong reason for a cost.

select
    x_PoolId,
    x_AllocationRuleId,
    x_AllocationDriver,
    x_ChargeDate,
    x_AllocationTargetId,
    x_DriverQuantity as Found,
    x_DriverQuantityUpTo - x_DriverQuantityBefore as Expected
from driver_quantities
where x_DriverQuantity <> x_DriverQuantityUpTo - x_DriverQuantityBefore
