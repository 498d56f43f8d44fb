-- model:   focus_charges__prices_explain_costs
-- severity: warn
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     cost is unit price times quantity, within one billionth of the cost (C01, C02) and what
--          a price of eighteen decimals cannot say of many units.

with

charges as (

    select * from focus_charges

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
            when abs(multiply_round(ListUnitPrice, PricingQuantity) - ListCost)
                > greatest(abs(ListCost), cast(1 as decimal(38, 12)))
                * cast('0.000000001' as decimal(12, 9))
                + multiply_round(
                    cast('0.000000000000000001' as decimal(38, 18)), abs(PricingQuantity)
                )
                then 'ListCost is not price times quantity'
            when abs(multiply_round(ContractedUnitPrice, PricingQuantity) - ContractedCost)
                > greatest(abs(ContractedCost), cast(1 as decimal(38, 12)))
                * cast('0.000000001' as decimal(12, 9))
                + multiply_round(
                    cast('0.000000000000000001' as decimal(38, 18)), abs(PricingQuantity)
                )
                then 'ContractedCost is not price times quantity'
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
