-- A Google Cloud bill as FOCUS charges, in DuckDB's SQL; only the columns that allocation and the
-- golden results look at.
--
-- Written from Google's documentation of the export and the FOCUS specification, not from the
-- project's own SQL. Reads the view `gcp_rows` (the nested export), the table
-- `services(provider, key, name, category)`, the macros money(double), portion(c, x, n),
-- units(decimal) and credited(credits, types), and the variables source and billing_period.

with

-- Google issues an invoice by the fifth business day of the next month, so a row exported on the
-- eighth day is later than it. Rounding to cents is done when the invoice is made.
invoices as (

    select
        billing_account_id,
        timezone('America/Los_Angeles',
            (getvariable('billing_period') || '-01')::timestamp + interval 1 month) as closed,
        case
            when bool_or(timezone('UTC', export_time) >= closed + interval 7 days)
                or bool_or(cost_type = 'rounding_error' and timezone('UTC', export_time) >= closed)
                then 'final'
            else 'provisional'
        end as finality
    from gcp_rows
    group by billing_account_id

),

typed as (

    select
        *,
        money(cost) as gross,
        coalesce(money(cost_at_list), money(cost)) as public_cost,
        credited(credits, ['SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT']) as rate_credit,
        credited(credits, ['COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'])
            as commitment_credit,
        credited(credits, ['FEE_UTILIZATION_OFFSET']) as offset_credit,
        gross + rate_credit as rated,
        cost_type = 'regular' as is_regular,
        is_regular and starts_with(sku.description, 'Commitment') as is_fee,
        is_regular and not is_fee
            and coalesce(consumption_model.id, '7754-699E-0EBF') <> '7754-699E-0EBF'
            as is_new_covered,
        case
            when is_fee or is_new_covered or commitment_credit <> 0
                then coalesce(
                    subscription.instance_id,
                    list_filter(credits, lambda c: c.type in (
                        'COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'
                    ))[1].id,
                    consumption_model.id
                )
        end as commitment
    from gcp_rows

),

-- What a row becomes: itself, a covered and an uncovered part, a fee with what nobody used of it.
parts as (

    select
        *,
        unnest(
            case
                when is_fee and offset_credit <> 0 and gross + offset_credit <> 0
                    then ['fee', 'unused']
                when is_fee then ['fee']
                when is_new_covered then ['priced as covered']
                when is_regular and commitment_credit <> 0 and -commitment_credit >= rated
                    then ['covered']
                when is_regular and commitment_credit <> 0 then ['covered part', 'uncovered part']
                else ['whole']
            end
        ) as part
    from typed

),

costed as (

    select
        *,
        portion(units(public_cost), units(-commitment_credit), units(rated)) as covered_public,
        case part
            when 'fee' then rated + commitment_credit
            when 'uncovered part' then rated + commitment_credit
            when 'covered' then rated + commitment_credit
            when 'whole' then rated
            else 0
        end as billed,
        case
            when part = 'priced as covered' then gross
            when part = 'unused' then gross + offset_credit
            when part = 'fee' and offset_credit <> 0 then 0
            when part in ('fee', 'uncovered part', 'covered') then rated + commitment_credit
            when part = 'whole' then rated
            else 0
        end as effective,
        case part
            when 'unused' then 0
            when 'covered part' then from_units(covered_public)
            when 'uncovered part' then public_cost - from_units(covered_public)
            else public_cost
        end as list,
        case part
            when 'unused' then 0
            when 'covered part' then -commitment_credit
            when 'uncovered part' then rated + commitment_credit
            when 'priced as covered' then coalesce(money(cost_at_effective_price_default), gross)
            else rated
        end as contracted
    from parts

),

-- Credits after the fact: one charge each.
given_credits as (

    select
        *,
        unnest(list_filter(credits, lambda c: c.type not in (
            'SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT', 'COMMITTED_USAGE_DISCOUNT',
            'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', 'FEE_UTILIZATION_OFFSET'
        ))) as given
    from typed

),

charges as (

    select
        *,
        case
            when part = 'fee' then 'Purchase'
            when is_regular then 'Usage'
            when cost_type = 'tax' then 'Tax'
            when cost_type = 'adjustment' and adjustment_info.type = 'USAGE_CORRECTION'
                then 'Usage'
            when cost_type = 'adjustment' and adjustment_info.type = 'GOODWILL' then 'Credit'
            else 'Adjustment'
        end as category,
        case
            when cost_type = 'adjustment' and coalesce(adjustment_info.type, adjustment_info.mode)
                is not null
                and invoice.month > strftime(
                    timezone('America/Los_Angeles', timezone('UTC', usage_start_time)), '%Y%m')
                then 'Correction'
        end as class,
        case
            when part in ('covered', 'covered part', 'priced as covered') then 'Used'
            when part = 'unused' then 'Unused'
        end as status,
        cost_type as kind
    from costed

    union all by name

    select
        *,
        money(given.amount) as billed,
        billed as effective,
        billed as list,
        billed as contracted,
        'credit' as part,
        'Credit' as category,
        given.type as kind
    from given_credits

),

-- Offsets that do not match the usage they pay for: the bill has the difference, so have we.
offset_rest as (

    select
        billing_account_id,
        currency,
        max(service.description) as service_name,
        sum(case when is_new_covered then rated else 0 end) + sum(offset_credit) as rest
    from typed
    where is_new_covered or offset_credit <> 0
    group by all
    having rest <> 0

)

select
    billed::decimal(38, 12) as BilledCost,
    effective::decimal(38, 12) as EffectiveCost,
    list::decimal(38, 12) as ListCost,
    contracted::decimal(38, 12) as ContractedCost,
    billing_account_id as BillingAccountId,
    currency as BillingCurrency,
    timezone('America/Los_Angeles', (getvariable('billing_period') || '-01')::timestamp)
        as BillingPeriodStart,
    charges.category as ChargeCategory,
    class as ChargeClass,
    case
        when charges.category = 'Usage' then 'Usage-Based'
        when part = 'fee' then 'Recurring'
        else 'One-Time'
    end as ChargeFrequency,
    timezone('UTC', usage_start_time) as ChargePeriodStart,
    timezone('UTC', usage_end_time) as ChargePeriodEnd,
    case when part in ('uncovered part', 'credit') then null else commitment end
        as CommitmentDiscountId,
    status as CommitmentDiscountStatus,
    case
        when status is not null then 'Committed'
        when charges.category not in ('Usage', 'Purchase') then null
        when sku.description like '%Preemptible%' then 'Dynamic'
        else 'Standard'
    end as PricingCategory,
    coalesce(location.region, nullif(location.location, 'global')) as RegionId,
    case
        when part in ('fee', 'unused') then commitment
        else coalesce(resource.global_name, resource.name)
    end as ResourceId,
    services.category as ServiceCategory,
    service.description as ServiceName,
    case when transaction_type <> 'GOOGLE' then coalesce(seller_name, 'Google Cloud')
         else 'Google Cloud' end as ServiceProviderName,
    case when charges.category <> 'Tax' then sku.id end as SkuId,
    project.id as SubAccountId,
    json_object(
        'service', list_filter(labels, lambda l: l.key = 'service')[-1].value,
        'team', list_filter(labels, lambda l: l.key = 'team')[-1].value,
        'customer', list_filter(labels, lambda l: l.key = 'customer')[-1].value
    ) as Tags,
    kind as x_LineItemType,
    finality as x_Finality,
    getvariable('source')::varchar as x_Source,
    getvariable('billing_period')::varchar as x_BillingPeriod
from charges
left join invoices using (billing_account_id)
left join services on services.provider = 'gcp' and services.key = service.description

union all by name

select
    rest as BilledCost,
    0 as EffectiveCost,
    0 as ListCost,
    0 as ContractedCost,
    billing_account_id as BillingAccountId,
    currency as BillingCurrency,
    timezone('America/Los_Angeles', (getvariable('billing_period') || '-01')::timestamp)
        as BillingPeriodStart,
    'Adjustment' as ChargeCategory,
    'One-Time' as ChargeFrequency,
    timezone('America/Los_Angeles', (getvariable('billing_period') || '-01')::timestamp)
        as ChargePeriodStart,
    timezone('America/Los_Angeles',
        (getvariable('billing_period') || '-01')::timestamp + interval 1 month)
        as ChargePeriodEnd,
    services.category as ServiceCategory,
    service_name as ServiceName,
    'Google Cloud' as ServiceProviderName,
    'FEE_UTILIZATION_OFFSET' as x_LineItemType,
    finality as x_Finality,
    getvariable('source')::varchar as x_Source,
    getvariable('billing_period')::varchar as x_BillingPeriod
from offset_rest
left join invoices using (billing_account_id)
left join services on services.provider = 'gcp' and services.key = service_name
