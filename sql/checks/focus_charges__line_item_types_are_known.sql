-- model:   focus_charges__line_item_types_are_known
-- severity: warn
-- grain:   one row per unknown type (x_LineItemType)
-- inputs:  focus_charges
-- params:  none
-- why:     a line item type that no model knows is kept as an adjustment, so that no money is lost;
--          the mapping should learn it.

select
    x_LineItemType,
    count(*) as Charges,
    sum(BilledCost) as BilledCost
from focus_charges
where ChargeCategory = 'Adjustment'
    -- an adjustment by what it is
    and lower(coalesce(x_LineItemType, '')) <> 'roundingadjustment'
group by x_LineItemType
