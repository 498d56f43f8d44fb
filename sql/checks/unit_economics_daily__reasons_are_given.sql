-- model:    unit_economics_daily__reasons_are_given
-- grain:    one row per unit cost that is empty without a reason, or has both
-- inputs:   unit_economics_daily
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      an empty unit cost is a statement, so it says which.

select
    x_UnitMetric,
    x_ChargeDate,
    x_AllocationTargetId,
    x_UnitCost,
    x_UnitCostReason
from unit_economics_daily
where (x_UnitCost is null) <> (x_UnitCostReason is not null)
