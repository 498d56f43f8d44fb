-- model:   focus_charges__costs_agree
-- severity: warn
-- promise:  the provider's
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     taxes, credits and uncovered usage cost what is billed (C04, C05); what a commitment
--          covers or wastes is billed nowhere (C08, C09); the purchase of a commitment has no
--          effective cost, any other has what is billed (C06, C07); a charge without a price is
--          listed at what is billed (C12), but for a discount of the price that is more than its
--          row (Google), of which the list price knows nothing. No money is lost where it fails.

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        ChargeCategory,
        CommitmentDiscountId,
        BilledCost,
        EffectiveCost,
        ListCost,
        ContractedCost,
        case
            when ChargeCategory in ('Tax', 'Credit') and EffectiveCost <> BilledCost
                then 'effective tax or credit is not what is billed'
            when ChargeCategory = 'Usage' and ChargeClass is null
                and CommitmentDiscountId is null and ContractApplied is null
                and EffectiveCost <> BilledCost
                then 'uncovered usage is not what is billed'
            when CommitmentDiscountStatus = 'Unused'
                and (BilledCost <> 0 or ConsumedQuantity is not null)
                then 'unused commitment is billed or consumed'
            when CommitmentDiscountStatus = 'Used' and BilledCost <> 0
                then 'used commitment is billed'
            when ChargeCategory in ('Credit', 'Adjustment') and ListUnitPrice is null
                and coalesce(x_LineItemType, '') not in ('DISCOUNT', 'SUSTAINED_USAGE_DISCOUNT')
                and (ListCost <> BilledCost or ContractedCost <> BilledCost)
                then 'stand-alone charge is not listed at what is billed'
            when ChargeCategory = 'Purchase' and CommitmentDiscountId is not null
                and ChargeClass is null and EffectiveCost <> 0
                then 'purchase of a commitment has an effective cost'
            when ChargeCategory = 'Purchase' and CommitmentDiscountId is null
                and ChargeClass is null and EffectiveCost <> BilledCost
                then 'purchase that covers nothing is not what is billed'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    ChargeCategory,
    CommitmentDiscountId,
    BilledCost,
    EffectiveCost,
    ListCost,
    ContractedCost
from judged
where Rule is not null
