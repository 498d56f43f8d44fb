-- model:   focus_charges__priced_charges_are_complete
-- severity: warn
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     ordinary usage and purchases name their SKU and price list entry and state price and
--          quantity (N03, N05, N08); the columns come and go together (N04, N06).

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        ChargeCategory,
        x_LineItemType,
        SkuId,
        SkuPriceId,
        PricingQuantity,
        PricingUnit,
        ConsumedQuantity,
        case
            when ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null
                and SkuId is null
                then 'SkuId is missing'
            when ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null
                and SkuPriceId is null
                then 'SkuPriceId is missing'
            when ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null
                and PricingQuantity is null
                then 'PricingQuantity is missing'
            when ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null
                and PricingCategory is null
                then 'PricingCategory is missing'
            when (ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null
                or SkuPriceId is not null) and ListUnitPrice is null
                then 'ListUnitPrice is missing'
            when (ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null
                or SkuPriceId is not null) and ContractedUnitPrice is null
                then 'ContractedUnitPrice is missing'
            when SkuPriceId is null and coalesce(
                PricingQuantity, ListUnitPrice, ContractedUnitPrice, ConsumedQuantity,
                CommitmentDiscountQuantity, PricingCurrencyListUnitPrice,
                PricingCurrencyContractedUnitPrice
            ) is not null
                then 'price without SkuPriceId'
            when SkuPriceId is null and coalesce(PricingCategory, SkuPriceDetails) is not null
                then 'details without SkuPriceId'
            when (PricingUnit is null) <> (PricingQuantity is null)
                then 'PricingUnit without PricingQuantity or the reverse'
            when (ConsumedUnit is null) <> (ConsumedQuantity is null)
                then 'ConsumedUnit without ConsumedQuantity or the reverse'
            when ChargeCategory = 'Usage' and ChargeClass is null
                and coalesce(CommitmentDiscountStatus, '') <> 'Unused' and ConsumedQuantity is null
                then 'ConsumedQuantity is missing'
            when ConsumedQuantity is not null
                and (ChargeCategory <> 'Usage' or CommitmentDiscountStatus = 'Unused')
                then 'ConsumedQuantity outside of usage'
            when SkuId is null and SkuMeter is not null
                then 'SkuMeter without SkuId'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    ChargeCategory,
    x_LineItemType,
    SkuId,
    SkuPriceId,
    PricingQuantity,
    PricingUnit,
    ConsumedQuantity
from judged
where Rule is not null
