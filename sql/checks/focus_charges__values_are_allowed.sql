-- model:   focus_charges__values_are_allowed
-- severity: fail
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     these columns take only the values the standard lists, case included (E01 to E08), ours
--          only those of its contract.

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        CapacityReservationStatus,
        ChargeCategory,
        ChargeClass,
        ChargeFrequency,
        CommitmentDiscountCategory,
        CommitmentDiscountStatus,
        PricingCategory,
        x_Finality,
        BillingCurrency,
        case
            when CapacityReservationStatus not in ('Used', 'Unused')
                then 'CapacityReservationStatus'
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
            when length(BillingCurrency) <> 3
                or BillingCurrency <> upper(BillingCurrency)
                then 'BillingCurrency'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    CapacityReservationStatus,
    ChargeCategory,
    ChargeClass,
    ChargeFrequency,
    CommitmentDiscountCategory,
    CommitmentDiscountStatus,
    PricingCategory,
    x_Finality,
    BillingCurrency
from judged
where Rule is not null
