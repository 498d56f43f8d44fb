-- model:   focus_charges__list_covers_contracted_covers_effective
-- severity: warn
-- promise:  the provider's
-- grain:   one row per service and line item type (ServiceName, x_LineItemType)
-- inputs:  focus_charges
-- params:  none
-- why:     usage usually costs at most the negotiated price and that at most the list price (C16);
--          where it does not, a price or an amortisation deserves a look.

select
    ServiceName,
    x_LineItemType,
    count(*) as Charges,
    sum(ListCost) as ListCost,
    sum(ContractedCost) as ContractedCost,
    sum(EffectiveCost) as EffectiveCost
from focus_charges
where ChargeCategory = 'Usage'
    and ChargeClass is null
    and coalesce(CommitmentDiscountStatus, '') <> 'Unused'
    and EffectiveCost > 0
    and (ListCost < ContractedCost or ContractedCost < EffectiveCost)
group by ServiceName, x_LineItemType
