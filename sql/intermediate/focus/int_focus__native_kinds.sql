-- model:   int_focus__native_kinds
-- grain:   one row per row of a FOCUS export (no key is delivered)
-- inputs:  stg_focus__charges
-- params:  none
-- why:     says what each row is (category, class, frequency, pricing) and which commitment it
--          buys, uses or wastes, where exports depart from the standard. Delivered columns keep
--          their names, decided ones have short ones; what a decision changed is a column
--          repairs_<what>, which focus__repairs counts. Decisions come from the row alone and not
--          from the name of its issuer, so they hold for any issuer.

with

charges as (

    select * from stg_focus__charges

),

-- a commitment is found in credits and subscriptions where an export has no columns for it;
-- '7754-699E-0EBF' is the model of prices without commitment. Purchases name the order of a
-- reservation or savings plan, usage its item in the order, and both are one commitment
identified as (

    select
        charges.*,
        coalesce(
            charge_category = 'Usage' and coalesce(subscription_id, cost_type) is not null
            and charge_description like 'Commitment%',
            false
        ) as is_fee,
        case
            when lower(commitment_id) like '/providers/%orders/%'
                then '/providers/' || split_part(lower(commitment_id), '/', 3) || '/'
                    || split_part(lower(commitment_id), '/', 4) || '/'
                    || split_part(lower(commitment_id), '/', 5)
            else commitment_id
        end as delivered_commitment_id,
        case
            when commitment_id is not null then null
            when credits_by_type like '%COMMITTED_USAGE_DISCOUNT%'
                then coalesce(subscription_id, credited_commitment_id)
            when consumption_model_id <> '7754-699E-0EBF' or charge_description like 'Commitment%'
                then subscription_id
        end as found_commitment_id
    from charges

),

classified as (

    select
        identified.*,
        coalesce(delivered_commitment_id, found_commitment_id) as commitment,
        case
            when is_fee then 'Purchase'
            when charge_category in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')
                then charge_category
            else 'Adjustment'
        end as category,
        case
            when charge_class = 'Correction' or charge_subcategory = 'Refund' then 'Correction'
            when corrected_reference_number is not null and charge_start < billing_period_start
                then 'Correction'
        end as class
    from identified

),

statused as (

    select
        classified.*,
        category in ('Usage', 'Purchase') and class is null as is_ordinary,
        coalesce(
            category = 'Usage' and cost_type is not null and pricing_category = 'Standard'
            and charge_description like '%Preemptible%',
            false
        ) as repairs_spot_category,
        case
            when strpos(lower(commitment), 'orders/') > 0
                then split_part(split_part(lower(commitment), 'orders/', 2), '/', 1)
            else lower(commitment)
        end as commitment_key,
        case
            when commitment is null or category <> 'Usage' then null
            when commitment_status in ('Used', 'Unused') then commitment_status
            when charge_subcategory = 'Unused Commitment' then 'Unused'
            when class is null then 'Used'
        end as status
    from classified

)

select
    statused.*,

    -- how it was charged; 1.0-preview says On-Demand and Commitment-Based
    case
        when charge_frequency in ('One-Time', 'Recurring') then charge_frequency
        when category = 'Purchase'
            and (charge_frequency = 'Usage-Based' or commitment is not null or is_fee)
            then 'Recurring'
        when charge_frequency = 'Usage-Based' or category = 'Usage' then 'Usage-Based'
        else 'One-Time'
    end as frequency,
    case
        when status is not null and class is null then 'Committed'
        when pricing_category in ('Committed', 'Commitment-Based')
            then case when category = 'Usage' then 'Committed' else 'Standard' end
        when repairs_spot_category then 'Dynamic'
        when pricing_category = 'On-Demand' then 'Standard'
        when pricing_category in ('Standard', 'Dynamic', 'Other') then pricing_category
    end as pricing,

    -- what the commitment is
    case
        when commitment is null then null
        when commitment_category in ('Spend', 'Usage') then commitment_category
        when lower(commitment) like '%microsoft.billingbenefits%'
            or lower(commitment_type) like '%savings%plan%'
            or credits_by_type like '%COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE%'
            or charge_description like 'Commitment - dollar based%'
            or consumption_model_id <> '7754-699E-0EBF'
            then 'Spend'
        else 'Usage'
    end as commitment_kind,
    case
        when commitment is null then null
        when commitment_type is not null then commitment_type
        when lower(commitment) like '%microsoft.capacity%' then 'Reservation'
        when lower(commitment) like '%microsoft.billingbenefits%' then 'Savings Plan'
        when found_commitment_id is not null then 'Committed Use Discount'
        else 'Commitment'
    end as commitment_label,

    -- what of this the export did not say
    coalesce(category <> charge_category, true) as repairs_charge_category,
    coalesce(category = 'Purchase' and charge_frequency = 'Usage-Based', false)
        as repairs_charge_frequency,
    coalesce(
        status is not null and class is null
        and coalesce(pricing_category, '') not in ('Committed', 'Commitment-Based'),
        false
    ) as repairs_pricing_category,
    category <> 'Usage' and commitment_status is not null as repairs_commitment_status,
    commitment_id is null and commitment is not null as repairs_commitment
from statused
