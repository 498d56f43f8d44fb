-- model:   focus_charges__line_item_types_are_known
-- severity: warn
-- promise:  ours
-- grain:   one row per unknown type (ChargeCategory, x_LineItemType)
-- inputs:  focus_charges
-- params:  none
-- why:     a line item type that no model knows is kept as an adjustment, so that no money is lost;
--          the mapping should learn it.

select
    ChargeCategory,
    x_LineItemType,
    count(*) as Charges,
    sum(BilledCost) as BilledCost
from focus_charges
where (
        ChargeCategory = 'Adjustment'
        -- these are adjustments by what they are
        and lower(coalesce(x_LineItemType, ''))
            not in ('roundingadjustment', 'savingsplannegation')
        and not (
            HostProviderName = 'Google Cloud'
            and coalesce(x_LineItemType, '') in (
                'adjustment', 'rounding_error', 'FEE_UTILIZATION_OFFSET'
            )
        )
    )
    or (
        -- a credit of an unknown type is taken for one that is known only after the fact
        ChargeCategory = 'Credit'
        and HostProviderName = 'Google Cloud'
        and x_LineItemType not in (
            'adjustment', 'PROMOTION', 'FREE_TIER', 'FREE_TRIAL', 'SUBSCRIPTION_BENEFIT',
            'RESELLER_MARGIN', 'DISCOUNT', 'SUSTAINED_USAGE_DISCOUNT'
        )
    )
group by ChargeCategory, x_LineItemType
