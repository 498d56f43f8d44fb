-- model:   focus_charges__values_are_allowed
-- severity: fail
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     these columns take only the values the standard lists, case included (E01 to E08), ours
--          only those of its contract. Each is decided by our models; values that are handed on as
--          delivered are a check of their own.

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        ChargeCategory,
        ChargeClass,
        ChargeFrequency,
        CommitmentDiscountCategory,
        CommitmentDiscountStatus,
        PricingCategory,
        x_Finality,
        case
            when ChargeCategory not in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')
                then 'ChargeCategory'
            when ChargeClass not in ('Correction')
                then 'ChargeClass'
            when ChargeFrequency not in ('One-Time', 'Recurring', 'Usage-Based')
                then 'ChargeFrequency'
            when CommitmentDiscountCategory not in ('Spend', 'Usage')
                then 'CommitmentDiscountCategory'
            when CommitmentDiscountStatus not in ('Used', 'Unused')
                then 'CommitmentDiscountStatus'
            when PricingCategory not in ('Standard', 'Dynamic', 'Committed', 'Other')
                then 'PricingCategory'
            when x_Finality not in ('provisional', 'final')
                then 'x_Finality'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    ChargeCategory,
    ChargeClass,
    ChargeFrequency,
    CommitmentDiscountCategory,
    CommitmentDiscountStatus,
    PricingCategory,
    x_Finality
from judged
where Rule is not null
