-- model:   focus__repairs
-- grain:   one row per repair that was needed (Repair)
-- inputs:  int_focus__native_items
-- params:  none
-- why:     says in plain words what an export left out or said wrongly, and in how many rows. The
--          decisions are columns of the models that make the charges, so what is reported is what
--          was done. Costs that changed are stated by focus__source_totals as well.

with

charges as (

    select * from int_focus__native_items

),

counts as (

    select
        count(*) filter (where repairs_block_size) as block_size,
        count(*) filter (where repairs_list_cost) as list_cost,
        count(*) filter (where repairs_contracted_cost) as contracted_cost,
        count(*) filter (where repairs_effective_cost) as effective_cost,
        count(*) filter (where repairs_prices) as prices,
        count(*) filter (where repairs_stray_price) as stray_price,
        count(*) filter (where repairs_sku) as sku,
        count(*) filter (where repairs_sku_price_id) as sku_price_id,
        count(*) filter (where repairs_pricing_currency) as pricing_currency,
        count(*) filter (where repairs_charge_category) as charge_category,
        count(*) filter (where repairs_charge_frequency) as charge_frequency,
        count(*) filter (where has_no_length) as charge_period,
        count(*) filter (where repairs_pricing_category) as pricing_category,
        count(*) filter (where repairs_spot_category) as spot_category,
        count(*) filter (where repairs_commitment) as commitment,
        count(*) filter (where repairs_commitment_status) as commitment_status,
        count(*) filter (where repairs_service_name) as service_name,
        count(*) filter (where repairs_service_category) as service_category,
        count(*) filter (where repairs_service_subcategory) as service_subcategory,
        count(*) filter (where has_no_region_id) as region_id,
        count(*) filter (where repairs_unused_cost) as unused_cost,
        count(*) filter (where has_own_invoice_id) as invoice_id,
        count(*) filter (where has_own_tags) as tags
    from charges

),

-- one row per repair, so that the charges are read once
repairs as (

    select * from (values
        ('block_size', 'quantity and costs had been divided by the block of the price once more'),
        ('list_cost', 'list cost was zero or missing beside a cost that was charged'),
        ('contracted_cost', 'contracted cost was zero or missing beside a cost that was charged'),
        ('effective_cost', 'purchase of a commitment had an effective cost that its usage carries'),
        ('unused_cost', 'unused commitment had a list or contracted cost, left out'),
        ('prices', 'unit price was missing or did not explain its cost, cost by quantity instead'),
        ('stray_price', 'charge without a complete price had parts of one, left out'),
        ('sku', 'SkuId was missing, named by its price, or by service and meter'),
        ('sku_price_id', 'SkuPriceId was shared by several products, the product is in front'),
        ('pricing_currency', 'PricingCurrency had no amounts and no rate, billing currency used'),
        ('charge_category', 'ChargeCategory was unknown, or usage was the fee of a commitment'),
        ('charge_frequency', 'ChargeFrequency of a purchase was Usage-Based, Recurring instead'),
        ('charge_period', 'charge period had no length, one second instead'),
        ('pricing_category', 'PricingCategory of commitment usage was not Committed'),
        ('spot_category', 'PricingCategory of a Spot machine was Standard, Dynamic instead'),
        ('commitment', 'commitment was named by the credits or the subscription of the row only'),
        ('commitment_status', 'CommitmentDiscountStatus stood outside of usage, left out'),
        ('service_name', 'ServiceName was missing, named by meter, publisher or commitment'),
        ('service_category', 'ServiceCategory was missing, unknown or Other, found by ServiceName'),
        ('service_subcategory', 'ServiceSubcategory was not one of its ServiceCategory'),
        ('region_id', 'RegionId was missing beside a RegionName, looked up by the name'),
        ('invoice_id', 'InvoiceId was missing, x_InvoiceId instead'),
        ('tags', 'Tags were missing, made of x_Labels, x_ProjectLabels, x_Tags and x_SystemLabels')
    ) as repairs (Code, Repair)

),

counted as (

    select
        repairs.Repair,
        case repairs.Code
            when 'block_size' then counts.block_size
            when 'list_cost' then counts.list_cost
            when 'contracted_cost' then counts.contracted_cost
            when 'effective_cost' then counts.effective_cost
            when 'prices' then counts.prices
            when 'stray_price' then counts.stray_price
            when 'sku' then counts.sku
            when 'sku_price_id' then counts.sku_price_id
            when 'pricing_currency' then counts.pricing_currency
            when 'charge_category' then counts.charge_category
            when 'charge_frequency' then counts.charge_frequency
            when 'charge_period' then counts.charge_period
            when 'pricing_category' then counts.pricing_category
            when 'spot_category' then counts.spot_category
            when 'commitment' then counts.commitment
            when 'commitment_status' then counts.commitment_status
            when 'service_name' then counts.service_name
            when 'service_category' then counts.service_category
            when 'service_subcategory' then counts.service_subcategory
            when 'region_id' then counts.region_id
            when 'unused_cost' then counts.unused_cost
            when 'invoice_id' then counts.invoice_id
            when 'tags' then counts.tags
        end as Rows
    from counts
    cross join repairs

)

select
    Repair,
    Rows
from counted
where Rows > 0
