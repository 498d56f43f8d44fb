-- model:    allocated_charges__bill_columns_add_up
-- grain:    one row per source, currency and values of the bill's columns whose cost was changed
-- inputs:   focus_charges_bill_columns, allocated_charges_bill_columns
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      allocation says who bears a cost and leaves what it is alone: cost by service,
--           category, frequency or any other kept column of the bill is what focus_charges says.
--           Followers inherit dimensions, never such a column. Charges minus allocated charges are
--           summed instead of joined, because an aggregation spills and a join does not.

with

charged as (

    select
        x_Source,
        BillingCurrency,
        BillColumns,
        BilledCost,
        EffectiveCost,
        ListCost,
        ContractedCost
    from focus_charges_bill_columns

),

allocated as (

    select
        x_Source,
        BillingCurrency,
        BillColumns,
        -BilledCost as BilledCost,
        -EffectiveCost as EffectiveCost,
        -ListCost as ListCost,
        -ContractedCost as ContractedCost
    from allocated_charges_bill_columns

),

differences as (

    select * from charged
    union all
    select * from allocated

)

select
    x_Source,
    BillingCurrency,
    BillColumns,
    sum(BilledCost) as Billed,
    sum(EffectiveCost) as Effective,
    sum(ListCost) as List,
    sum(ContractedCost) as Contracted
from differences
group by x_Source, BillingCurrency, BillColumns
having
    sum(BilledCost) <> 0
    or sum(EffectiveCost) <> 0
    or sum(ListCost) <> 0
    or sum(ContractedCost) <> 0
