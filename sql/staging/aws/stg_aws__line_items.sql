-- model:   stg_aws__line_items
-- grain:   one row per line item of the bill (line_item_id, time_interval)
-- inputs:  src_aws__cur
-- params:  $billing_period_start, $cost_basis
-- why:     the only place where the bill's doubles become decimals, where its maps are read
--          (copying maps through later steps is slow) and where the cost basis is chosen. cost,
--          contracted_rate and all commitment amounts follow $cost_basis together; a missing net
--          amount beside a non-zero gross one stays NULL and fails the not-null check, because
--          reading it as zero would lose money.

with

line_items as (

    select * from src_aws__cur

)

select
    -- identity
    identity_line_item_id as line_item_id,
    identity_time_interval as time_interval,
    line_item_line_item_type as line_item_type,
    coalesce(line_item_operation, '') in ('EKSPod-EC2', 'ECSTask-EC2') as is_split_row,
    coalesce(bill_billing_entity, '') = 'AWS Marketplace' as is_marketplace,

    -- accounts and invoice
    bill_payer_account_id as payer_account_id,
    bill_payer_account_name as payer_account_name,
    bill_invoice_id as invoice_id,
    bill_invoicing_entity as invoicing_entity,
    line_item_legal_entity as legal_entity,
    line_item_usage_account_id as usage_account_id,
    line_item_usage_account_name as usage_account_name,
    line_item_currency_code as currency,
    pricing_currency,

    -- time; recurring fees end at :59 although the end is exclusive everywhere else
    bill_billing_period_start_date as billing_period_start,
    bill_billing_period_end_date as billing_period_end,
    line_item_usage_start_date as usage_start,
    case
        when line_item_line_item_type in ('RIFee', 'Fee')
            and date_part('second', line_item_usage_end_date) = 59
            then line_item_usage_end_date + interval '1 second'
        else line_item_usage_end_date
    end as usage_end,

    -- service, product and resource
    line_item_product_code as product_code,
    product_servicecode as service_code,
    coalesce(
        map_value(product, 'product_name'),
        map_value(product, 'servicename'),
        product_servicecode,
        line_item_product_code
    ) as service_name,
    map_value(product, 'vcpu') as vcpu,
    map_value(product, 'memory') as memory,
    map_value(product, 'operating_system') as operating_system,
    product_product_family as product_family,
    product_instance_type as instance_type,
    product_sku as sku,
    coalesce(
        product_region_code,
        map_value(product, 'region'),
        nullif(rtrim(line_item_availability_zone, 'abcdef'), ''),
        product_from_region_code
    ) as region_id,
    line_item_availability_zone as availability_zone,
    line_item_resource_id as resource_id,
    line_item_usage_type as usage_type,
    line_item_operation as operation,
    line_item_line_item_description as description,
    coalesce(
        map_value(resource_tags, 'user_name'),
        map_value(resource_tags, 'user_Name'),
        map_value(tags, 'resourceTags/Name'),
        map_value(tags, 'resourceTags/user:Name')
    ) as resource_name,
    tags_json(resource_tags, tags) as tags,
    cost_categories_json(cost_category, tags) as cost_categories,
    map_json(discount) as discounts,
    capacity_reservation_capacity_reservation_arn as capacity_reservation_id,
    capacity_reservation_capacity_reservation_status as capacity_reservation_status,

    -- price and quantity
    pricing_rate_code as rate_code,
    pricing_rate_id as rate_id,
    pricing_unit,
    decimal_from_double(line_item_usage_amount) as usage_amount,
    decimal_from_double(line_item_normalized_usage_amount) as normalized_usage_amount,
    decimal_from_text(pricing_public_on_demand_rate) as public_rate,
    decimal_from_text(
        case when $cost_basis = 'net' then line_item_net_unblended_rate
        else line_item_unblended_rate end
    ) as contracted_rate,

    -- cost
    decimal_from_double(pricing_public_on_demand_cost) as public_cost,
    decimal_from_double(
        case
            -- a missing amount is no amount of zero: it stays unknown, so that a check can find it
            when $cost_basis <> 'net' then line_item_unblended_cost
            when coalesce(line_item_unblended_cost, 0) = 0
                then coalesce(line_item_net_unblended_cost, 0)
            else line_item_net_unblended_cost
        end
    ) as cost,

    -- reserved instances
    reservation_reservation_a_r_n as reservation_arn,
    decimal_from_double(
        case
            when $cost_basis <> 'net' then coalesce(reservation_effective_cost, 0)
            when coalesce(reservation_effective_cost, 0) = 0
                then coalesce(reservation_net_effective_cost, 0)
            else reservation_net_effective_cost
        end
    ) as reservation_effective_cost,
    decimal_from_double(
        case
            when $cost_basis <> 'net'
                then coalesce(reservation_unused_amortized_upfront_fee_for_billing_period, 0)
            when coalesce(reservation_unused_amortized_upfront_fee_for_billing_period, 0) = 0
                then coalesce(reservation_net_unused_amortized_upfront_fee_for_billing_period, 0)
            else reservation_net_unused_amortized_upfront_fee_for_billing_period
        end
    ) as reservation_unused_upfront,
    decimal_from_double(
        case
            when $cost_basis <> 'net'
                then coalesce(reservation_unused_recurring_fee, 0)
            when coalesce(reservation_unused_recurring_fee, 0) = 0
                then coalesce(reservation_net_unused_recurring_fee, 0)
            else reservation_net_unused_recurring_fee
        end
    ) as reservation_unused_recurring,
    cast(decimal_from_text(reservation_total_reserved_units) as decimal(38, 12))
        as reserved_units,
    cast(decimal_from_text(reservation_total_reserved_normalized_units) as decimal(38, 12))
        as reserved_normalized_units,
    decimal_from_double(reservation_unused_quantity) as unused_units,
    decimal_from_double(reservation_unused_normalized_unit_quantity) as unused_normalized_units,

    -- savings plans; the commitment is stated gross only, the ratio brings it to the basis
    savings_plan_savings_plan_a_r_n as savings_plan_arn,
    decimal_from_double(
        case
            when $cost_basis <> 'net' then coalesce(savings_plan_savings_plan_effective_cost, 0)
            when coalesce(savings_plan_savings_plan_effective_cost, 0) = 0
                then coalesce(savings_plan_net_savings_plan_effective_cost, 0)
            else savings_plan_net_savings_plan_effective_cost
        end
    ) as savings_plan_effective_cost,
    decimal_from_double(coalesce(savings_plan_total_commitment_to_date, 0)) as total_commitment,
    decimal_from_double(coalesce(savings_plan_used_commitment, 0)) as used_commitment,
    case
        when $cost_basis <> 'net' then cast(1 as decimal(38, 18))
        else divide_round(
            decimal_from_double(savings_plan_net_recurring_commitment_for_billing_period)
            + decimal_from_double(savings_plan_net_amortized_upfront_commitment_for_billing_period),
            decimal_from_double(savings_plan_recurring_commitment_for_billing_period)
            + decimal_from_double(savings_plan_amortized_upfront_commitment_for_billing_period)
        )
    end as commitment_basis_ratio
from line_items
where bill_billing_period_start_date = $billing_period_start
