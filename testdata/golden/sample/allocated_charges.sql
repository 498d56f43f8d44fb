select
    -- Allocated cost by target, service, rule and finality: the question behind allocated_charges.csv.
    x_BillingPeriod,
    x_AllocationTargetId,
    x_Service,
    x_AllocationRuleId,
    x_Finality,
    sum(BilledCost) as BilledCost,
    sum(EffectiveCost) as EffectiveCost,
    sum(ListCost) as ListCost,
    sum(ContractedCost) as ContractedCost
from allocated_charges
group by x_BillingPeriod, x_AllocationTargetId, x_Service, x_AllocationRuleId, x_Finality
having
    sum(BilledCost) <> 0
    or sum(EffectiveCost) <> 0
    or sum(ListCost) <> 0
    or sum(ContractedCost) <> 0
order by
    x_BillingPeriod nulls first, x_AllocationTargetId nulls first, x_Service nulls first,
    x_AllocationRuleId nulls first, x_Finality nulls first
