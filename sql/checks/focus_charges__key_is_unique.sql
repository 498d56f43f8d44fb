-- model:   focus_charges__key_is_unique
-- severity: fail
-- promise:  ours
-- grain:   one row per repeated key (x_Source, x_BillingPeriod, x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     a charge that occurs twice is counted twice.

select
    x_Source,
    x_BillingPeriod,
    x_ChargeId,
    count(*) as Occurrences
from focus_charges
group by x_Source, x_BillingPeriod, x_ChargeId
having count(*) > 1
