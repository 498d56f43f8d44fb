-- model:   focus_charges__unmapped_values
-- grain:   one row per value that no seed lists, and currency (Seed, Value, BillingCurrency)
-- inputs:  focus_charges, seed_aws_regions, seed_aws_resource_types, seed_aws_service_categories,
--          seed_aws_units, seed_azure_meter_categories, seed_azure_regions,
--          seed_azure_resource_types, seed_azure_services, seed_azure_units, seed_focus_services,
--          seed_gcp_regions, seed_gcp_service_categories, seed_gcp_units
-- params:  $format
-- why:     counts what stays in the provider's own words because a seed has no row for it, and
--          gives it as the key of the row that is missing. The table is read once, for services,
--          regions, units and resource types together. A charge without region, unit or resource
--          lacks nothing. Issuers of FOCUS name regions, units and types themselves. What is
--          neither consumed nor bought (rounding, taxes) need not belong to a service.

with

charges as (

    select * from focus_charges

),

aws_regions as (

    select * from seed_aws_regions

),

aws_resource_types as (

    select * from seed_aws_resource_types

),

aws_service_categories as (

    select * from seed_aws_service_categories

),

aws_units as (

    select * from seed_aws_units

),

azure_meter_categories as (

    select * from seed_azure_meter_categories

),

azure_regions as (

    select * from seed_azure_regions

),

azure_resource_types as (

    select * from seed_azure_resource_types

),

azure_services as (

    select * from seed_azure_services

),

azure_units as (

    select * from seed_azure_units

),

focus_services as (

    select * from seed_focus_services

),

gcp_regions as (

    select * from seed_gcp_regions

),

gcp_service_categories as (

    select * from seed_gcp_service_categories

),

gcp_units as (

    select * from seed_gcp_units

),

-- what the seeds give, in the form in which charges are compared with it; a service may be listed
-- as Other on purpose
known as (

    select 'aws_regions' as Seed, region_id as Name from aws_regions
    union
    select 'aws_resource_types' as Seed, arn_service as Name from aws_resource_types
    union
    select 'aws_service_categories' as Seed, service_code as Name from aws_service_categories
    union
    select 'aws_units' as Seed, focus_unit as Name from aws_units
    union
    select 'azure_meter_categories' as Seed, meter_category as Name from azure_meter_categories
    union
    select 'azure_regions' as Seed, region_id as Name from azure_regions
    union
    select 'azure_resource_types' as Seed, resource_type_name as Name from azure_resource_types
    union
    select 'azure_services' as Seed, consumed_service as Name from azure_services
    union
    select 'azure_units' as Seed, replace(focus_unit, '-', ' ') as Name from azure_units
    union
    select 'focus_services' as Seed, service_name as Name from focus_services
    union
    select 'gcp_regions' as Seed, region_id as Name from gcp_regions
    union
    select 'gcp_service_categories' as Seed, service_name as Name from gcp_service_categories
    union
    select 'gcp_units' as Seed, focus_unit as Name from gcp_units

),

-- blocks of units (10000 Requests) are priced by Google and Microsoft, not listed; Microsoft counts
-- in the unit that it prices
combinations as (

    select
        BillingCurrency,
        RegionId,
        case
            when $format like 'aws%' then nullif(PricingUnit, BillingCurrency)
            when $format like 'azure%' and ConsumedUnit is not null then null
            else nullif(regexp_replace(PricingUnit, '^[0-9.]+ ', ''), BillingCurrency)
        end as PricedUnit,
        nullif(ConsumedUnit, BillingCurrency) as CountedUnit,
        case
            when $format like 'azure%' and ResourceType like '%/%' then ResourceType
            when $format like 'aws%' and ResourceId like 'arn:%'
                and ResourceType = split_part(ResourceId, ':', 3)
                then ResourceType
        end as Type,
        case
            when ServiceCategory = 'Other'
                and ChargeCategory in ('Usage', 'Purchase')
                and ServiceProviderName = HostProviderName
                then true
        end as IsOther,
        ServiceName,
        x_ServiceCode,
        count(*) as Charges,
        sum(EffectiveCost) as EffectiveCost
    from charges
    group by
        BillingCurrency, RegionId, PricedUnit, CountedUnit, Type, IsOther, ServiceName,
        x_ServiceCode

),

-- a unit that is priced and counted is one value
spread as (

    select
        combinations.*,
        split_part(cast($format as varchar), '_', 1) as Provider,
        unnest(make_array('regions', 'resource_types', 'services', 'units', 'counted')) as Kind
    from combinations

),

named as (

    select
        BillingCurrency,
        Charges,
        EffectiveCost,
        case
            when Kind = 'counted' then Provider || '_units'
            when Kind = 'services' and Provider in ('aws', 'gcp')
                then Provider || '_service_categories'
            when Kind = 'services' and Provider = 'azure' and x_ServiceCode <> lower(x_ServiceCode)
                then 'azure_meter_categories'
            else Provider || '_' || Kind
        end as Seed,
        case
            when Kind = 'services' and IsOther
                then case
                    when Provider = 'gcp' then coalesce(ServiceName, x_ServiceCode)
                    when Provider = 'focus' then lower(ServiceName)
                    when Provider = 'azure' then lower(coalesce(x_ServiceCode, ServiceName))
                    else coalesce(x_ServiceCode, ServiceName)
                end
            when Provider = 'focus' then null
            when Kind = 'regions' then RegionId
            when Kind = 'resource_types' then Type
            when Kind = 'units' then PricedUnit
            when Kind = 'counted' and replace(CountedUnit, '-', ' ')
                is distinct from replace(PricedUnit, '-', ' ')
                then CountedUnit
        end as Name
    from spread

),

unmapped as (

    select named.*
    from named
    left anti join known
        on named.Seed = known.Seed
        and case
            when named.Seed = 'azure_units' then replace(named.Name, '-', ' ')
            else named.Name
        end = known.Name
    where named.Name is not null

)

select
    Seed,
    case
        -- the row of one unit, whatever block it is sold in
        when Seed = 'azure_units' then '1' || lower(replace(Name, ' ', ''))
        else Name
    end as Value,
    BillingCurrency,
    sum(Charges) as Charges,
    sum(EffectiveCost) as EffectiveCost
from unmapped
group by Seed, Value, BillingCurrency
