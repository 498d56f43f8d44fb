select
    -- Unit costs of the days on which something is odd, and two ordinary ones.
    x_BillingPeriod,
    x_ChargeDate,
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
from unit_economics_daily
where
    x_ChargeDate in (
        date '2026-01-01', date '2026-01-18', date '2026-01-20', date '2026-01-21',
        date '2026-02-10', date '2026-02-14', date '2026-02-15', date '2026-03-31'
    )
order by
    x_BillingPeriod nulls first, x_ChargeDate nulls first, x_UnitMetric nulls first,
    x_Ledger nulls first, x_AllocationTargetId nulls first, x_Service nulls first
