-- model:   focus_charges__commitment_columns_agree
-- severity: warn
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     what names a commitment says what it is and whether it was used (N09 to N11); committed
--          prices belong to usage (C15); a purchase is never metered (N15).

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
        PricingCategory,
        CommitmentDiscountId,
        CommitmentDiscountStatus,
        case
            when (CommitmentDiscountId is null) <> (CommitmentDiscountCategory is null)
                then 'category without id or the reverse'
            when (CommitmentDiscountId is null) <> (CommitmentDiscountType is null)
                then 'type without id or the reverse'
            when CommitmentDiscountId is null and (
                CommitmentDiscountName is not null or CommitmentDiscountStatus is not null
                or CommitmentDiscountQuantity is not null or CommitmentDiscountUnit is not null
            )
                then 'details without id'
            when CommitmentDiscountId is not null and ChargeCategory = 'Usage'
                and ChargeClass is null and CommitmentDiscountStatus is null
                then 'usage without status'
            when CommitmentDiscountId is not null
                and ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null
                and CommitmentDiscountQuantity is null
                then 'quantity is missing'
            when (CommitmentDiscountQuantity is null) <> (CommitmentDiscountUnit is null)
                then 'unit without quantity or the reverse'
            when PricingCategory = 'Committed' and ChargeCategory <> 'Usage'
                then 'committed price outside of usage'
            when CommitmentDiscountStatus is not null and ChargeClass is null
                and coalesce(PricingCategory, '') <> 'Committed'
                then 'used or unused commitment without committed price'
            when ChargeCategory = 'Purchase' and ChargeFrequency = 'Usage-Based'
                then 'metered purchase'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    ChargeCategory,
    PricingCategory,
    CommitmentDiscountId,
    CommitmentDiscountStatus
from judged
where Rule is not null
