-- model:   focus_charges__split_targets_are_unique
-- severity: warn
-- promise:  the provider's
-- grain:   one row per repeated consumer
--          (ResourceId, SkuPriceId, ChargePeriodStart, AllocatedResourceId)
-- inputs:  focus_charges
-- params:  none
-- why:     a consumer gets one row per resource, price and charge period (S07). Holds trivially
--          until a model splits charges.

select
    ResourceId,
    SkuPriceId,
    ChargePeriodStart,
    AllocatedResourceId,
    count(*) as Occurrences
from focus_charges
where AllocatedResourceId is not null
group by ResourceId, SkuPriceId, ChargePeriodStart, AllocatedResourceId
having count(*) > 1
