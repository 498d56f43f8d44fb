-- model:   focus__source_totals
-- grain:   one row per cost ledger and currency (Ledger, BillingCurrency)
-- inputs:  src_focus__charges
-- params:  $billing_period_start
-- why:     what a FOCUS export itself adds up to, in each of its four cost columns. Nothing is left
--          out: every row is a charge, so the charges must equal SourceTotal to the last digit.
--          ConversionResidual is what the stored twelve decimals lack of the delivered doubles.

with

charges as (

    select * from src_focus__charges

),

sums as (

    select
        BillingCurrency,
        count(*) as rows,
        sum(decimal_from_double(BilledCost)) as billed,
        sum(decimal_residual(BilledCost)) as billed_residual,
        sum(decimal_from_double(EffectiveCost)) as effective,
        sum(decimal_residual(EffectiveCost)) as effective_residual,
        sum(decimal_from_double(ListCost)) as list,
        sum(decimal_residual(ListCost)) as list_residual,
        sum(decimal_from_double(ContractedCost)) as contracted,
        sum(decimal_residual(ContractedCost)) as contracted_residual
    from charges
    where BillingPeriodStart = $billing_period_start
    group by BillingCurrency

),

-- one row per ledger, so that the source is read once
ledgers as (

    select * from (values ('billed'), ('effective'), ('list'), ('contracted')) as ledgers (Ledger)

)

select
    ledgers.Ledger,
    sums.BillingCurrency,
    cast(case ledgers.Ledger
        when 'billed' then sums.billed
        when 'effective' then sums.effective
        when 'list' then sums.list
        when 'contracted' then sums.contracted
    end as decimal(38, 12)) as SourceTotal,
    cast(0 as decimal(38, 12)) as LeftOutTotal,
    cast(case ledgers.Ledger
        when 'billed' then sums.billed_residual
        when 'effective' then sums.effective_residual
        when 'list' then sums.list_residual
        when 'contracted' then sums.contracted_residual
    end as decimal(38, 36)) as ConversionResidual,
    sums.rows as SourceRows,
    'sum of the cost column over all rows' as Control
from sums
cross join ledgers
