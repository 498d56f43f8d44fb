-- model:   reconciliation__normalization
-- grain:   one row per cost ledger and currency (x_Ledger, BillingCurrency)
-- inputs:  control_totals, focus_charges
-- params:  $billing_period, $source
-- why:     holds the charges of one source and billing period against an independent computation
--          over its rows (control_totals). A difference stops publication. A currency or ledger
--          that only one side knows shows up as a difference, hence the full join.

with

controls as (

    select * from control_totals

),

charges as (

    select * from focus_charges

),

sums as (

    select
        BillingCurrency,
        sum(BilledCost) as Billed,
        sum(EffectiveCost) as Effective,
        sum(ListCost) as List,
        sum(ContractedCost) as Contracted
    from charges
    group by BillingCurrency

),

normalized as (

    select 'billed' as Ledger, BillingCurrency, Billed as Total from sums
    union all
    select 'effective' as Ledger, BillingCurrency, Effective as Total from sums
    union all
    select 'list' as Ledger, BillingCurrency, List as Total from sums
    union all
    select 'contracted' as Ledger, BillingCurrency, Contracted as Total from sums

)

select
    $source as x_Source,
    'normalization' as x_Stage,
    $billing_period as x_BillingPeriod,
    coalesce(controls.Ledger, normalized.Ledger) as x_Ledger,
    coalesce(controls.BillingCurrency, normalized.BillingCurrency) as BillingCurrency,
    cast(coalesce(controls.SourceTotal, 0) as decimal(38, 12)) as x_SourceTotal,
    cast(coalesce(controls.LeftOutTotal, 0) as decimal(38, 12)) as x_LeftOutTotal,
    cast(coalesce(normalized.Total, 0) as decimal(38, 12)) as x_NormalizedTotal,
    cast(null as decimal(38, 12)) as x_AllocatedTotal,
    cast(coalesce(controls.ConversionResidual, 0) as decimal(38, 36)) as x_ConversionResidual,
    cast(
        coalesce(controls.SourceTotal, 0) - coalesce(controls.LeftOutTotal, 0)
        - coalesce(normalized.Total, 0) as decimal(38, 12)
    ) as x_Difference,
    cast(coalesce(controls.SourceRows, 0) as bigint) as x_RowCount,
    coalesce(controls.Control, 'no control') as x_Control
from controls
full join normalized
    on controls.Ledger = normalized.Ledger
    and controls.BillingCurrency = normalized.BillingCurrency
