-- model:    reporting_charges__totals_tie
-- grain:    one row per source, billing currency, charge month and ledger that does not tie
-- inputs:   reporting_charges, allocated_charges
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      the total in the reporting currency is the native total times the rate, to the last
--           digit, and the native parts beside it are those that were allocated.

with

reported as (

    select
        x_Source,
        BillingCurrency,
        date_trunc('month', x_ChargeDate) as ChargeMonth,
        max(x_ExchangeRate) as Rate,
        min(x_ExchangeRate) as LowestRate,
        sum(BilledCost) as Billed,
        sum(EffectiveCost) as Effective,
        sum(ListCost) as List,
        sum(ContractedCost) as Contracted,
        sum(x_ReportingBilledCost) as ReportedBilled,
        sum(x_ReportingEffectiveCost) as ReportedEffective,
        sum(x_ReportingListCost) as ReportedList,
        sum(x_ReportingContractedCost) as ReportedContracted
    from reporting_charges
    group by x_Source, BillingCurrency, date_trunc('month', x_ChargeDate)

),

allocated as (

    select
        x_Source,
        BillingCurrency,
        date_trunc('month', x_ChargeDate) as ChargeMonth,
        sum(BilledCost) as Billed,
        sum(EffectiveCost) as Effective,
        sum(ListCost) as List,
        sum(ContractedCost) as Contracted
    from allocated_charges
    group by x_Source, BillingCurrency, date_trunc('month', x_ChargeDate)

)

select
    coalesce(reported.x_Source, allocated.x_Source) as x_Source,
    coalesce(reported.BillingCurrency, allocated.BillingCurrency) as BillingCurrency,
    coalesce(reported.ChargeMonth, allocated.ChargeMonth) as ChargeMonth,
    reported.Rate,
    reported.ReportedBilled,
    reported.ReportedEffective
from reported
full join allocated
    on reported.x_Source = allocated.x_Source
    and reported.BillingCurrency = allocated.BillingCurrency
    and reported.ChargeMonth = allocated.ChargeMonth
where (reported.Rate is distinct from reported.LowestRate)
    or (reported.Billed is distinct from allocated.Billed)
    or (reported.Effective is distinct from allocated.Effective)
    or (reported.List is distinct from allocated.List)
    or (reported.Contracted is distinct from allocated.Contracted)
    or (
        reported.ReportedBilled is distinct from
        multiply_round(reported.Rate, cast(reported.Billed as decimal(38, 12)))
    )
    or (
        reported.ReportedEffective is distinct from
        multiply_round(reported.Rate, cast(reported.Effective as decimal(38, 12)))
    )
    or (
        reported.ReportedList is distinct from
        multiply_round(reported.Rate, cast(reported.List as decimal(38, 12)))
    )
    or (
        reported.ReportedContracted is distinct from
        multiply_round(reported.Rate, cast(reported.Contracted as decimal(38, 12)))
    )
