-- model:   int_allocation__cost_weights
-- grain:   one row per ledger, currency and target (Ledger, BillingCurrency, TargetId)
-- inputs:  allocation_cost_by_target, allocation_cost_by_target, allocation_cost_by_target,
--          allocation_cost_by_target
-- params:  none
-- why:     turns the four ledgers into rows. Each is read once; the input is as small as the list
--          of targets. There are no exchange rates here: a currency is weighed by itself.

with

billed_cost as (

    select * from allocation_cost_by_target

),

effective_cost as (

    select * from allocation_cost_by_target

),

list_cost as (

    select * from allocation_cost_by_target

),

contracted_cost as (

    select * from allocation_cost_by_target

)

select 'billed' as Ledger, BillingCurrency, TargetId, BilledCost as Quantity
from billed_cost
union all
select 'effective' as Ledger, BillingCurrency, TargetId, EffectiveCost as Quantity
from effective_cost
union all
select 'list' as Ledger, BillingCurrency, TargetId, ListCost as Quantity
from list_cost
union all
select 'contracted' as Ledger, BillingCurrency, TargetId, ContractedCost as Quantity
from contracted_cost
