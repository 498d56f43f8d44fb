-- model:    allocated_charges__cells_add_up
-- grain:    one row per cell whose parts do not add up to it (CellId)
-- inputs:   allocated_charges, allocation_cells
-- params:   none
-- severity: fail
-- why:      nothing is lost or added when a cell is split, in any ledger, to the last digit. A cell
--           without any row is one that is zero in all ledgers.

with

allocated as (

    select
        x_CellId,
        sum(BilledCost) as BilledCost,
        sum(EffectiveCost) as EffectiveCost,
        sum(ListCost) as ListCost,
        sum(ContractedCost) as ContractedCost
    from allocated_charges
    group by x_CellId

),

differences as (

    select
        coalesce(allocation_cells.CellId, allocated.x_CellId) as CellId,
        coalesce(allocation_cells.BilledCost, 0) - coalesce(allocated.BilledCost, 0)
            as Billed,
        coalesce(allocation_cells.EffectiveCost, 0) - coalesce(allocated.EffectiveCost, 0)
            as Effective,
        coalesce(allocation_cells.ListCost, 0) - coalesce(allocated.ListCost, 0)
            as List,
        coalesce(allocation_cells.ContractedCost, 0) - coalesce(allocated.ContractedCost, 0)
            as Contracted
    from allocation_cells
    full join allocated
        on allocation_cells.CellId = allocated.x_CellId

)

select *
from differences
where
    Billed <> 0
    or Effective <> 0
    or List <> 0
    or Contracted <> 0
