select
    -- What each customer's databases cost, at whichever provider they run.
    x_BillingPeriod,
    x_AllocationTargetId,
    ServiceProviderName,
    ServiceName,
    sum(EffectiveCost) as EffectiveCost
from allocated_charges
where ServiceCategory = 'Databases'
group by x_BillingPeriod, x_AllocationTargetId, ServiceProviderName, ServiceName
having sum(EffectiveCost) <> 0
order by
    x_BillingPeriod nulls first, x_AllocationTargetId nulls first,
    ServiceProviderName nulls first, ServiceName nulls first
