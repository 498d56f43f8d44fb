-- model:   focus_charges__periods_are_in_order
-- severity: fail
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     periods have a length, and the billing period is the one of the partition (K01).

with

charges as (

    select * from focus_charges

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        BillingPeriodStart,
        BillingPeriodEnd,
        ChargePeriodStart,
        ChargePeriodEnd,
        case
            when BillingPeriodEnd <= BillingPeriodStart
                then 'billing period ends before it starts'
            when ChargePeriodEnd <= ChargePeriodStart
                then 'charge period ends before it starts'
            when to_char(BillingPeriodStart, '%Y-%m') <> x_BillingPeriod
                then 'billing period is not x_BillingPeriod'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    BillingPeriodStart,
    BillingPeriodEnd,
    ChargePeriodStart,
    ChargePeriodEnd
from judged
where Rule is not null
