-- model:    driver_quantities__cumulate
-- grain:    one row per pool whose quantities do not cover it without gap or overlap (x_PoolId)
-- inputs:   driver_quantities
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      the ranges of the targets are cut out of the total: each as wide as its quantity, the
--           first from zero, the last up to the total. Then the parts of any cost add up to it.

select
    x_PoolId,
    sum(x_DriverQuantity) as Quantities,
    min(x_DriverQuantityTotal) as Total
from driver_quantities
group by x_PoolId
having
    min(x_DriverQuantityTotal) <= 0
    or min(x_DriverQuantityTotal) <> max(x_DriverQuantityTotal)
    or sum(x_DriverQuantity) <> max(x_DriverQuantityTotal)
    or min(x_DriverQuantity) < 0
    or min(x_DriverQuantityBefore) <> 0
    or max(x_DriverQuantityUpTo) <> max(x_DriverQuantityTotal)
    or min(x_DriverQuantityUpTo - x_DriverQuantityBefore - x_DriverQuantity) <> 0
    or max(x_DriverQuantityUpTo - x_DriverQuantityBefore - x_DriverQuantity) <> 0
