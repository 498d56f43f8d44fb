-- model:    unit_economics_daily__cost_has_its_quantity
-- grain:    one row per unit metric and day whose cost is not divided by its own quantity
-- inputs:   unit_economics_daily
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      sum(x_Cost) / sum(x_Quantity) is what people write. It is right only if cost without a
--           quantity is in the other column, and cost with one in this.

select
    x_UnitMetric,
    BillingCurrency,
    x_AllocationTargetId,
    x_Cost,
    x_CostWithoutQuantity,
    x_Quantity,
    x_UnitCost
from unit_economics_daily
where
    (x_Quantity is null and x_Cost <> 0)
    or (x_Quantity is not null and x_CostWithoutQuantity <> 0)
    or (x_Quantity > 0 and x_UnitCost is distinct from divide_round(x_Cost, x_Quantity))
