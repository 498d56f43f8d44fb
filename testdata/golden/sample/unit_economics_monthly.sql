select
    -- Unit costs by billing period.
    x_BillingPeriod,
    x_UnitMetric,
    x_Ledger,
    x_AllocationTargetId,
    x_Service,
    x_Finality,
    x_Cost,
    x_CostWithoutQuantity,
    x_Quantity,
    x_UnitCost,
    x_UnitCostReason
from unit_economics_monthly
order by
    x_BillingPeriod nulls first, x_UnitMetric nulls first, x_Ledger nulls first,
    x_AllocationTargetId nulls first, x_Service nulls first
