-- model:    allocated_charges__cells_add_up
-- grain:    one row per cell whose parts do not add up to it (CellId)
-- inputs:   allocated_charges, allocation_cells
-- params:   none
-- severity: fail
-- promise:  ours
-- why:      nothing is lost or added when a cell is split, in any ledger, to the last digit. A cell
--           without any row is one that is zero in all ledgers. Cells minus their parts are summed
--           instead of joined, because an aggregation of millions of cells spills and a join does
--           not.

with

cells as (

    select
        CellId,
        BilledCost,
        EffectiveCost,
        ListCost,
        ContractedCost
    from allocation_cells

),

parts as (

    select
        x_CellId as CellId,
        -BilledCost as BilledCost,
        -EffectiveCost as EffectiveCost,
        -ListCost as ListCost,
        -ContractedCost as ContractedCost
    from allocated_charges

),

differences as (

    select * from cells
    union all
    select * from parts

)

select
    CellId,
    sum(BilledCost) as Billed,
    sum(EffectiveCost) as Effective,
    sum(ListCost) as List,
    sum(ContractedCost) as Contracted
from differences
group by CellId
having
    sum(BilledCost) <> 0
    or sum(EffectiveCost) <> 0
    or sum(ListCost) <> 0
    or sum(ContractedCost) <> 0
