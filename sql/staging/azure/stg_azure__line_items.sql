-- model:   stg_azure__line_items
-- grain:   one row per row of the ActualCost and the AmortizedCost export (no key is delivered)
-- inputs:  src_azure__line_items
-- params:  $billing_period_start, $billing_period_end
-- why:     the only place where delivered numbers become decimals, where the words that stand for
--          nothing (Unassigned, N/A, a GUID of zeros) become NULL, and where ids get one case: rows
--          of one file spell the same resource differently. The month is that of the charge day,
--          because open months of a customer agreement leave their billing period empty. Column
--          sets without a pricing model say with a reservation or benefit id what covers a row.

with

line_items as (

    select * from src_azure__line_items

)

select
    -- identity; column sets without a charge type hold usage only
    dataset,
    coalesce(charge_type, 'Usage') as line_item_type,
    lower(coalesce(charge_type, 'Usage')) as charge_type,
    case
        when pricing_model is not null then lower(replace(pricing_model, ' ', ''))
        when lower(benefit_id) like '%/microsoft.billingbenefits/%' then 'savingsplan'
        when coalesce(
            nullif(reservation_id, '00000000-0000-0000-0000-000000000000'), benefit_id
        ) is not null
            then 'reservation'
    end as pricing_model,
    lower(frequency) as frequency,
    coalesce(lower(publisher_type) = 'marketplace', false) as is_marketplace,
    case
        when lower(publisher_name) not in ('n/a', 'unassigned', 'others', 'not applicable')
            then publisher_name
    end as publisher_name,

    -- accounts and invoice; a price list currency is the mark of a customer or partner agreement,
    -- whose invoices go to billing profiles
    case
        when pricing_currency is not null then coalesce(billing_profile_id, billing_account_id)
        else coalesce(billing_account_id, billing_profile_id)
    end as billing_account_id,
    case
        when pricing_currency is not null then coalesce(billing_profile_name, billing_account_name)
        else coalesce(billing_account_name, billing_profile_name)
    end as billing_account_name,
    case
        when pricing_currency is not null and billing_profile_id is not null
            then 'Billing Profile'
        when coalesce(billing_account_id, billing_profile_id) is not null then 'Billing Account'
    end as billing_account_type,
    customer_name,
    partner_name,
    nullif(invoice_id, 'N/A') as invoice_id,
    upper(billing_currency) as currency,
    upper(coalesce(pricing_currency, billing_currency)) as pricing_currency,
    case
        when lower(subscription_id)
            not in ('00000000-0000-0000-0000-000000000000', 'n/a', 'unassigned', 'others')
            then lower(subscription_id)
    end as subscription_id,
    subscription_name,
    map_json(
        map(
            make_array('CostCenter', 'InvoiceSection', 'ResourceGroup'),
            make_array(
                cost_center,
                nullif(nullif(invoice_section_name, 'Unassigned'), 'N/A'),
                lower(resource_group)
            )
        )
    ) as cost_categories,
    cost_allocation_rule_name as cost_allocation_rule,

    -- time
    date_trunc('day', date) as charge_date,

    -- service, product and resource
    case
        when lower(consumed_service) not in ('n/a', 'unassigned', 'others', 'not applicable')
            then lower(consumed_service)
    end as consumed_service,
    case
        when lower(meter_category) not in ('n/a', 'unassigned', 'others', 'not applicable')
            then meter_category
    end as meter_category,
    case
        when lower(meter_subcategory) not in ('n/a', 'unassigned', 'others', 'not applicable')
            then meter_subcategory
    end as meter_subcategory,
    case
        when lower(meter_name) not in ('n/a', 'unassigned', 'others', 'not applicable')
            then meter_name
    end as meter_name,
    case
        when lower(product_name) not in ('n/a', 'unassigned', 'others', 'not applicable')
            then product_name
    end as product_name,
    nullif(nullif(plan_name, 'N/A'), 'Unassigned') as plan_name,
    case
        when lower(resource_location)
            not in ('n/a', 'unassigned', 'others', 'global', 'intercloud', 'unknown', 'all regions')
            then resource_location
    end as resource_location,
    case
        when lower(resource_id) not in ('n/a', 'unassigned', 'others', 'not applicable')
            then lower(resource_id)
    end as resource_id,
    case
        when lower(coalesce(resource_name, resource_id))
            not in ('n/a', 'unassigned', 'others', 'not applicable')
            then nullif(split_part(coalesce(resource_name, resource_id), '/', -1), '')
    end as resource_name,
    lower(resource_type) as resource_type,
    map_json(tags) as tags,
    map_json(additional_info) as details,

    -- commitment: reservations and savings plans are bought as orders
    lower(benefit_id) as benefit_id,
    coalesce(benefit_name, reservation_name) as benefit_name,
    lower(nullif(reservation_id, '00000000-0000-0000-0000-000000000000')) as reservation_id,
    lower(nullif(product_order_id, '00000000-0000-0000-0000-000000000000')) as product_order_id,
    product_order_name,
    nullif(nullif(term, 'N/A'), '') as term,

    -- price and quantity; a rate of nothing means that there is one currency
    lower(nullif(meter_id, '00000000-0000-0000-0000-000000000000')) as meter_id,
    product_id,
    case
        when lower(part_number) not in ('n/a', 'unassigned', 'others', 'not applicable', '-1', '-2')
            then part_number
    end as part_number,
    case
        when lower(unit_of_measure) not like '%unassigned'
            then nullif(trim(unit_of_measure), '')
    end as unit_of_measure,
    decimal_from_number(quantity) as quantity,
    price_from_number(unit_price) as unit_price,
    price_from_number(payg_price) as payg_price,
    price_from_number(effective_price) as effective_price,
    coalesce(
        nullif(
            decimal_from_number(exchange_rate_pricing_to_billing), cast(0 as decimal(38, 12))
        ),
        cast(1 as decimal(38, 12))
    ) as exchange_rate,

    -- cost
    decimal_from_number(cost) as cost,
    decimal_from_number(payg_cost_in_billing_currency) as payg_cost,
    decimal_from_number(cost_in_pricing_currency) as pricing_currency_cost
from line_items
where date >= $billing_period_start
    and date < $billing_period_end
