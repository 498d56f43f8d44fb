select
    -- Rows and cost of focus_charges by what each charge is: the question behind focus_charges.csv.
    x_BillingPeriod,
    x_Source,
    x_LineItemType,
    ChargeCategory,
    ChargeClass,
    ChargeFrequency,
    PricingCategory,
    CommitmentDiscountStatus,
    x_Finality,
    count(*) as rows,
    sum(BilledCost) as BilledCost,
    sum(EffectiveCost) as EffectiveCost,
    sum(ListCost) as ListCost,
    sum(ContractedCost) as ContractedCost
from focus_charges
group by
    x_BillingPeriod, x_Source, x_LineItemType, ChargeCategory, ChargeClass, ChargeFrequency,
    PricingCategory, CommitmentDiscountStatus, x_Finality
order by
    x_BillingPeriod nulls first, x_Source nulls first, x_LineItemType nulls first,
    ChargeCategory nulls first,
    ChargeClass nulls first, ChargeFrequency nulls first, PricingCategory nulls first,
    CommitmentDiscountStatus nulls first, x_Finality nulls first
