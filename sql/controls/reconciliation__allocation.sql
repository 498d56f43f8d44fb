-- model:   reconciliation__allocation
-- grain:   one row per source, cost ledger and currency (x_Source, x_Ledger, BillingCurrency)
-- inputs:  focus_charges, allocated_charges
-- params:  $billing_period
-- why:     what was allocated is what was charged, for every source, ledger and currency. A source
--          or currency that only one side knows shows up as a difference, hence the full join.

with

charges as (

    select * from focus_charges

),

allocated as (

    select * from allocated_charges

),

charge_sums as (

    select
        x_Source,
        BillingCurrency,
        count(*) as Charges,
        sum(BilledCost) as Billed,
        sum(EffectiveCost) as Effective,
        sum(ListCost) as List,
        sum(ContractedCost) as Contracted
    from charges
    group by x_Source, BillingCurrency

),

allocated_sums as (

    select
        x_Source,
        BillingCurrency,
        sum(BilledCost) as Billed,
        sum(EffectiveCost) as Effective,
        sum(ListCost) as List,
        sum(ContractedCost) as Contracted
    from allocated
    group by x_Source, BillingCurrency

),

both_sides as (

    select
        coalesce(charge_sums.x_Source, allocated_sums.x_Source) as Source,
        coalesce(charge_sums.BillingCurrency, allocated_sums.BillingCurrency) as Currency,
        coalesce(charge_sums.Charges, 0) as Charges,
        coalesce(charge_sums.Billed, 0) as Billed,
        coalesce(charge_sums.Effective, 0) as Effective,
        coalesce(charge_sums.List, 0) as List,
        coalesce(charge_sums.Contracted, 0) as Contracted,
        coalesce(allocated_sums.Billed, 0) as AllocatedBilled,
        coalesce(allocated_sums.Effective, 0) as AllocatedEffective,
        coalesce(allocated_sums.List, 0) as AllocatedList,
        coalesce(allocated_sums.Contracted, 0) as AllocatedContracted
    from charge_sums
    full join allocated_sums
        on charge_sums.x_Source = allocated_sums.x_Source
        and charge_sums.BillingCurrency = allocated_sums.BillingCurrency

),

totals as (

    select 'billed' as Ledger, Source, Currency, Charges, Billed as Total,
        AllocatedBilled as AllocatedTotal
    from both_sides
    union all
    select 'effective' as Ledger, Source, Currency, Charges, Effective as Total,
        AllocatedEffective as AllocatedTotal
    from both_sides
    union all
    select 'list' as Ledger, Source, Currency, Charges, List as Total,
        AllocatedList as AllocatedTotal
    from both_sides
    union all
    select 'contracted' as Ledger, Source, Currency, Charges, Contracted as Total,
        AllocatedContracted as AllocatedTotal
    from both_sides

)

select
    Source as x_Source,
    'allocation' as x_Stage,
    $billing_period as x_BillingPeriod,
    Ledger as x_Ledger,
    Currency as BillingCurrency,
    cast(Total as decimal(38, 12)) as x_SourceTotal,
    cast(0 as decimal(38, 12)) as x_LeftOutTotal,
    cast(Total as decimal(38, 12)) as x_NormalizedTotal,
    cast(AllocatedTotal as decimal(38, 12)) as x_AllocatedTotal,
    cast(0 as decimal(38, 36)) as x_ConversionResidual,
    cast(Total - AllocatedTotal as decimal(38, 12)) as x_Difference,
    cast(Charges as bigint) as x_RowCount,
    'sum of focus_charges' as x_Control
from totals
