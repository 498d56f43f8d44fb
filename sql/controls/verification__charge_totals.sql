-- model:   verification__charge_totals
-- grain:   one row per stage, source, ledger and currency whose stated total the rows do not give
-- inputs:  reconciliation, focus_charges
-- params:  none
-- why:     the reconciliation states what every source cost; the charges themselves must still give
--          it, in every stage that was reconciled. The number of charges is stated by the stage of
--          allocation, that of normalization counts the rows of the bill.

with

statements as (

    select
        x_Stage,
        x_Source,
        x_Ledger,
        BillingCurrency,
        x_NormalizedTotal as Stated,
        case when x_Stage = 'allocation' then x_RowCount end as StatedRows
    from reconciliation
    where x_NormalizedTotal is not null

),

stages as (

    select distinct x_Stage
    from statements

),

sums as (

    select
        x_Source,
        BillingCurrency,
        count(*) as FoundRows,
        sum(BilledCost) as Billed,
        sum(EffectiveCost) as Effective,
        sum(ListCost) as List,
        sum(ContractedCost) as Contracted
    from focus_charges
    group by x_Source, BillingCurrency

),

names as (

    select unnest(make_array('billed', 'effective', 'list', 'contracted')) as x_Ledger

),

ledgers as (

    select
        sums.x_Source,
        sums.BillingCurrency,
        names.x_Ledger,
        sums.FoundRows,
        case names.x_Ledger
            when 'billed' then sums.Billed
            when 'effective' then sums.Effective
            when 'list' then sums.List
            when 'contracted' then sums.Contracted
        end as Found
    from sums
    cross join names

),

found as (

    select
        stages.x_Stage,
        ledgers.x_Source,
        ledgers.x_Ledger,
        ledgers.BillingCurrency,
        ledgers.FoundRows,
        ledgers.Found
    from stages
    cross join ledgers

)

select
    coalesce(statements.x_Stage, found.x_Stage) as x_Stage,
    coalesce(statements.x_Source, found.x_Source) as x_Source,
    coalesce(statements.x_Ledger, found.x_Ledger) as x_Ledger,
    coalesce(statements.BillingCurrency, found.BillingCurrency) as BillingCurrency,
    cast(coalesce(statements.Stated, 0) as decimal(38, 12)) as Stated,
    cast(coalesce(found.Found, 0) as decimal(38, 12)) as Found,
    statements.StatedRows,
    found.FoundRows
from statements
full join found
    on statements.x_Stage = found.x_Stage
    and statements.x_Source = found.x_Source
    and statements.x_Ledger = found.x_Ledger
    and statements.BillingCurrency = found.BillingCurrency
where
    coalesce(statements.Stated, 0) <> coalesce(found.Found, 0)
    or statements.StatedRows <> coalesce(found.FoundRows, 0)
