-- model:   int_focus__native_items
-- grain:   one row per row of a FOCUS export (charge_key, occurrence)
-- inputs:  stg_focus__charges
-- params:  none
-- why:     finds a key and repairs prices. An export has no row id, so the key is a hash over what
--          the row says; rows that say the same are numbered, and which of them is first does not
--          matter. Prices, quantities and SKUs that providers leave out of ordinary charges are
--          derived from cost and quantity; a price that does not explain its cost is derived again.

with

charges as (

    select * from stg_focus__charges

),

-- other rows keep a price only if it is complete
priced as (

    select
        charges.*,
        case
            when charge_category = 'Tax' then false
            when is_ordinary then true
            else sku_price_id is not null and pricing_quantity is not null
                and list_unit_price is not null and contracted_unit_price is not null
        end as is_priced,
        case
            when charge_category = 'Tax' then null
            when is_ordinary
                then coalesce(
                    sku_id,
                    sku_price_id,
                    coalesce(service_code, service_name)
                    || ':' || coalesce(sku_meter, usage_type, charge_category)
                )
            else sku_id
        end as sku
    from charges

),

-- the sign of a charge lives in its quantity; a cost without a quantity is one unit
quantified as (

    select
        priced.*,
        case
            when not is_priced then null
            when list_cost = 0 and contracted_cost = 0 then coalesce(pricing_quantity, 0)
            when coalesce(pricing_quantity, 0) = 0
                then case when list_cost + contracted_cost < 0
                    then cast(-1 as decimal(38, 12)) else cast(1 as decimal(38, 12)) end
            when list_cost + contracted_cost < 0 then -abs(pricing_quantity)
            else abs(pricing_quantity)
        end as quantity
    from priced

),

keyed as (

    select
        quantified.*,
        case
            when not is_priced then null
            when list_unit_price >= 0
                and abs(multiply_round(list_unit_price, quantity) - list_cost)
                <= cast('0.000000001' as decimal(38, 12))
                then list_unit_price
            else coalesce(divide_round(list_cost, quantity), cast(0 as decimal(38, 18)))
        end as list_price,
        case
            when not is_priced then null
            when contracted_unit_price >= 0
                and abs(multiply_round(contracted_unit_price, quantity) - contracted_cost)
                <= cast('0.000000001' as decimal(38, 12))
                then contracted_unit_price
            else coalesce(divide_round(contracted_cost, quantity), cast(0 as decimal(38, 18)))
        end as contracted_price,
        charge_id(
            allocated_resource_id,
            billing_account_id,
            sub_account_id,
            invoice_id,
            invoice_issuer,
            service_provider,
            cast(charge_start as varchar),
            cast(charge_end as varchar),
            charge_category,
            charge_class,
            charge_description,
            charge_frequency,
            commitment_id,
            commitment_status,
            cast(commitment_quantity as varchar),
            capacity_reservation_id,
            capacity_reservation_status,
            billing_currency,
            cast(billed_cost as varchar),
            cast(effective_cost as varchar),
            cast(list_cost as varchar),
            cast(contracted_cost as varchar),
            pricing_category,
            cast(pricing_quantity as varchar),
            pricing_unit,
            cast(consumed_quantity as varchar),
            sku_id,
            sku_price_id,
            sku_price_details,
            service_name,
            service_category,
            availability_zone,
            region_id,
            resource_id,
            resource_name,
            resource_type,
            tags,
            cost_categories,
            discounts,
            operation,
            service_code,
            usage_type
        ) as charge_key
    from quantified

)

select
    keyed.*,
    row_number() over (partition by charge_key) as occurrence
from keyed
