-- An Azure bill as FOCUS charges, in DuckDB's SQL; only the columns that allocation and the golden
-- results look at.
--
-- Written from Microsoft's documentation of the exports and the FOCUS specification, not from the
-- project's own SQL. Reads the view `azure_rows` (rows of both datasets of a Microsoft Customer
-- Agreement with their `dataset`), the tables `services(provider, key, name, category)` and
-- `regions(spelling, region)`, the macros money(double) and factor(double), and the variables
-- source and billing_period.

with

-- All of the amortized dataset, and of the actual one what buys or returns a commitment.
typed as (

    select
        *,
        pricingModel in ('Reservation', 'SavingsPlan') as is_committed,
        money(costInBillingCurrency) as cost,
        (factor(unitPrice) * factor(quantity))::decimal(38, 12) as negotiated,
        money(paygCostInBillingCurrency) as public_cost,
        regexp_extract(lower(benefitId), '^.*/(reservation|savingsplan)orders/[^/]+')
            as benefit_order
    from azure_rows
    where
        dataset = 'AmortizedCost'
        or (chargeType in ('Purchase', 'Refund')
            and pricingModel in ('Reservation', 'SavingsPlan'))

),

classified as (

    select
        *,
        case
            when chargeType in ('Usage', 'UnusedReservation', 'UnusedSavingsPlan') then 'Usage'
            when chargeType = 'Purchase' then 'Purchase'
            when chargeType = 'Refund' then case when is_committed then 'Purchase' else 'Usage' end
            when chargeType in ('Tax', 'Credit') then chargeType
            else 'Adjustment'
        end as category,
        case when chargeType = 'Refund' then 'Correction' end as class,
        case
            when chargeType like 'Unused%' then 'Unused'
            when chargeType = 'Usage' and is_committed then 'Used'
        end as status,
        is_committed and chargeType in ('Purchase', 'Refund') as buys_commitment
    from typed

),

-- Quantities are rounded to eight decimals and costs are not: a price times a quantity may fall
-- short of the cost, but neither the negotiated nor the public price is below what was paid. What
-- the price sheet does not price (reservations) has the amortised cost as its price; what was not used
-- has none.
priced as (

    select
        *,
        category in ('Usage', 'Purchase') and class is null and not buys_commitment as has_price,
        (case when status = 'Unused' then 0
              when has_price and cost <> 0 then greatest(negotiated, cost)
              when has_price then negotiated
              else cost end)::decimal(38, 12) as contracted_cost,
        (case when status = 'Unused' then 0
              when has_price then greatest(contracted_cost, coalesce(public_cost, 0))
              else cost end)::decimal(38, 12) as list_cost,
        lower(regexp_extract(ResourceId, '(?i)/providers/([^/]+/[^/]+)', 1)) as resource_type
    from classified

)

select
    (case when status is null then cost else 0 end)::decimal(38, 12) as BilledCost,
    (case when buys_commitment then 0 else cost end)::decimal(38, 12) as EffectiveCost,
    list_cost as ListCost,
    contracted_cost as ContractedCost,
    billingProfileId as BillingAccountId,
    billingCurrency as BillingCurrency,
    date_trunc('month', date) as BillingPeriodStart,
    priced.category as ChargeCategory,
    class as ChargeClass,
    case frequency when 'UsageBased' then 'Usage-Based' when 'OneTime' then 'One-Time'
        else frequency end as ChargeFrequency,
    date as ChargePeriodStart,
    date + interval 1 day as ChargePeriodEnd,
    nullif(benefit_order, '') as CommitmentDiscountId,
    status as CommitmentDiscountStatus,
    case
        when status is not null then 'Committed'
        when class is not null or priced.category not in ('Usage', 'Purchase') then null
        when pricingModel = 'Spot' then 'Dynamic'
        else 'Standard'
    end as PricingCategory,
    regions.region as RegionId,
    case when status = 'Unused' or buys_commitment then benefit_order
         else nullif(lower(ResourceId), '') end as ResourceId,
    services.category as ServiceCategory,
    case publisherType when 'Marketplace' then ProductName
        else coalesce(services.name, meterCategory) end as ServiceName,
    case publisherType when 'Marketplace' then publisherName else 'Microsoft' end
        as ServiceProviderName,
    ProductId as SkuId,
    nullif(SubscriptionId, '') as SubAccountId,
    nullif(tags, '') as Tags,
    chargeType as x_LineItemType,
    case when coalesce(invoiceId, '') = '' then 'provisional' else 'final' end as x_Finality,
    getvariable('source')::varchar as x_Source,
    getvariable('billing_period')::varchar as x_BillingPeriod
from priced
left join services
    on services.provider = 'azure'
    and services.key = coalesce(nullif(resource_type, ''), lower(meterCategory))
left join regions on regions.spelling = lower(resourceLocation)
