-- model:   focus_charges__a_commitment_has_one_unit
-- severity: warn
-- promise:  the provider's
-- grain:   one row per commitment (CommitmentDiscountId)
-- inputs:  focus_charges
-- params:  none
-- why:     unit, category and type of a commitment do not change between its charges (K06); the
--          bill itself mixes hours and normalized hours where it leaves factors out.

select
    CommitmentDiscountId,
    min(CommitmentDiscountUnit) as FirstUnit,
    max(CommitmentDiscountUnit) as LastUnit,
    min(CommitmentDiscountType) as FirstType,
    max(CommitmentDiscountType) as LastType
from focus_charges
where CommitmentDiscountId is not null
group by CommitmentDiscountId
having min(CommitmentDiscountUnit) <> max(CommitmentDiscountUnit)
    or min(CommitmentDiscountCategory) <> max(CommitmentDiscountCategory)
    or min(CommitmentDiscountType) <> max(CommitmentDiscountType)
