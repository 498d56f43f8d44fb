-- model:   focus_charges__taxes_have_no_price
-- severity: warn
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     a tax is a share of other charges: it has no SKU, price or quantity (N02).

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        ChargeCategory,
        SkuId,
        SkuPriceId,
        PricingQuantity,
        case
            when ChargeCategory = 'Tax'
                and coalesce(SkuId, SkuPriceId, PricingCategory) is not null
                then 'tax with SKU or price'
            when ChargeCategory = 'Tax' and coalesce(
                PricingQuantity, ListUnitPrice, ContractedUnitPrice,
                PricingCurrencyListUnitPrice, PricingCurrencyContractedUnitPrice
            ) is not null
                then 'tax with quantity or unit price'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    ChargeCategory,
    SkuId,
    SkuPriceId,
    PricingQuantity
from judged
where Rule is not null
