-- model:   focus_charges__prices_are_not_negative
-- severity: warn
-- promise:  the provider's
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     the sign of a charge lives in its quantity, so a price is never below zero (C03). It is
--          where a bill states list and negotiated cost with different signs, which one quantity
--          cannot explain.

with

charges as (

    select * from focus_charges
    where ListUnitPrice < 0
        or ContractedUnitPrice < 0

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        ListUnitPrice,
        ContractedUnitPrice,
        PricingQuantity,
        ListCost,
        ContractedCost,
        case
            when ListUnitPrice < 0
                then 'ListUnitPrice is negative'
            when ContractedUnitPrice < 0
                then 'ContractedUnitPrice is negative'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    ListUnitPrice,
    ContractedUnitPrice,
    PricingQuantity,
    ListCost,
    ContractedCost
from judged
where Rule is not null
