-- model:   focus_charges__required_columns_are_filled
-- severity: fail
-- promise:  ours
-- grain:   one row per offending charge (x_ChargeId)
-- inputs:  focus_charges
-- params:  none
-- why:     FOCUS 1.4 and our own contract allow no NULL in these columns. A cost is also NULL here
--          when the net cost basis was chosen and the bill has no net amount for the row.

with

charges as (

    select * from focus_charges
    where
        BilledCost is null
        or BillingAccountId is null
        or BillingAccountType is null
        or BillingCurrency is null
        or BillingPeriodEnd is null
        or BillingPeriodStart is null
        or ChargeCategory is null
        or ChargeFrequency is null
        or ChargePeriodEnd is null
        or ChargePeriodStart is null
        or ContractedCost is null
        or EffectiveCost is null
        or InvoiceIssuerName is null
        or ListCost is null
        or PricingCurrency is null
        or PricingCurrencyEffectiveCost is null
        or ServiceCategory is null
        or ServiceName is null
        or ServiceProviderName is null
        or ServiceSubcategory is null
        or x_BillingPeriod is null
        or x_Finality is null
        or x_Source is null

),

-- each row names the first rule it breaks, so that the table is read once
judged as (

    select
        x_ChargeId,
        x_LineItemType,
        ServiceName,
        SubAccountId,
        case
            when BilledCost is null
                then 'BilledCost is missing'
            when BillingAccountId is null
                then 'BillingAccountId is missing'
            when BillingAccountType is null
                then 'BillingAccountType is missing'
            when BillingCurrency is null
                then 'BillingCurrency is missing'
            when BillingPeriodEnd is null
                then 'BillingPeriodEnd is missing'
            when BillingPeriodStart is null
                then 'BillingPeriodStart is missing'
            when ChargeCategory is null
                then 'ChargeCategory is missing'
            when ChargeFrequency is null
                then 'ChargeFrequency is missing'
            when ChargePeriodEnd is null
                then 'ChargePeriodEnd is missing'
            when ChargePeriodStart is null
                then 'ChargePeriodStart is missing'
            when ContractedCost is null
                then 'ContractedCost is missing'
            when EffectiveCost is null
                then 'EffectiveCost is missing'
            when InvoiceIssuerName is null
                then 'InvoiceIssuerName is missing'
            when ListCost is null
                then 'ListCost is missing'
            when PricingCurrency is null
                then 'PricingCurrency is missing'
            when PricingCurrencyEffectiveCost is null
                then 'PricingCurrencyEffectiveCost is missing'
            when ServiceCategory is null
                then 'ServiceCategory is missing'
            when ServiceName is null
                then 'ServiceName is missing'
            when ServiceProviderName is null
                then 'ServiceProviderName is missing'
            when ServiceSubcategory is null
                then 'ServiceSubcategory is missing'
            when x_BillingPeriod is null
                then 'x_BillingPeriod is missing'
            when x_Finality is null
                then 'x_Finality is missing'
            when x_Source is null
                then 'x_Source is missing'
        end as Rule
    from charges

)

select
    x_ChargeId,
    Rule,
    x_LineItemType,
    ServiceName,
    SubAccountId
from judged
where Rule is not null
