-- model:   int_focus__native_services
-- grain:   one row per row of a FOCUS export (no key is delivered)
-- inputs:  int_focus__native_costs, seed_focus_services, seed_focus_service_subcategories,
--          seed_gcp_service_categories, seed_azure_meter_categories, seed_azure_resource_types,
--          seed_aws_regions, seed_aws_service_names
-- params:  none
-- why:     names and classifies the service of each row. An export may leave the name out
--          (purchases), or the category (a preview that has no such column); a subcategory must
--          belong to the category beside it, or nothing of the month could be published. Names
--          that are left out come from where the bill's own come from: what a vendor sells is its
--          own service, a commitment is for the service of its meter, else for that of its order.
--          The meters of AWS have the region in front (EUC1-BoxUsage:m5.large), which is beside
--          them and is left out of them.

with

charges as (

    select * from int_focus__native_costs

),

services as (

    select * from seed_focus_services

),

google_services as (

    select * from seed_gcp_service_categories

),

google_ids as (

    select * from google_services
    where service_id is not null

),

subcategories as (

    select * from seed_focus_service_subcategories

),

regions as (

    select * from seed_aws_regions

),

aws_names as (

    select * from seed_aws_service_names

),

meter_categories as (

    select * from seed_azure_meter_categories

),

resource_types as (

    select * from seed_azure_resource_types

),

-- /providers/microsoft.capacity/reservationorders/17 is a microsoft.capacity/reservationorders
ordered as (

    select
        charges.*,
        lower(charges.meter_category) as meter_key,
        case
            when starts_with(commitment, '/providers/')
                then split_part(commitment, '/', 3) || '/' || split_part(commitment, '/', 4)
        end as order_type
    from charges

),

named as (

    select
        ordered.*,
        resource_types.resource_type_name as order_type_name,
        case
            when ordered.service_name is null and not ordered.is_marketplace
                then coalesce(meter_categories.service_category, resource_types.service_category)
        end as named_category,
        case
            when ordered.service_name is null and not ordered.is_marketplace
                then coalesce(
                    meter_categories.service_subcategory, resource_types.service_subcategory
                )
        end as named_subcategory,
        coalesce(
            case when not ordered.is_marketplace then aws_names.service_name end,
            ordered.service_name,
            case
                when ordered.is_marketplace
                    then coalesce(ordered.charge_description, ordered.publisher)
            end,
            meter_categories.service_name,
            resource_types.service_name,
            ordered.meter_category,
            ordered.charge_description,
            ordered.commitment_label,
            ordered.publisher,
            ordered.service_provider
        ) as service
    from ordered
    left join meter_categories
        on ordered.meter_key = meter_categories.meter_category
    left join resource_types
        on ordered.order_type = resource_types.resource_type
    left join aws_names
        on ordered.service_name = aws_names.delivered_name

),

-- every join is many-to-one: the seeds are keyed by the joined columns
looked_up as (

    select
        named.*,
        case
            when starts_with(named.sku_meter, regions.usage_prefix)
                then coalesce(
                    nullif(substr(named.sku_meter, length(regions.usage_prefix) + 1), ''),
                    named.sku_meter
                )
            else named.sku_meter
        end as meter,
        subcategories.service_subcategory is not null as is_known_pair,
        coalesce(named.service_category in (
            'AI and Machine Learning', 'Analytics', 'Business Applications', 'Compute',
            'Databases', 'Developer Tools', 'Identity', 'Integration', 'Internet of Things',
            'Management and Governance', 'Media', 'Migration', 'Mobile', 'Multicloud',
            'Networking', 'Security', 'Storage', 'Web', 'Other'
        ), false) as is_known_category,
        services.service_category as seeded_category,
        coalesce(
            google_ids.service_category,
            google_services.service_category,
            services.service_category
        ) as listed_category,
        coalesce(
            google_ids.service_subcategory,
            google_services.service_subcategory,
            services.service_subcategory
        ) as listed_subcategory
    from named
    left join google_ids
        on named.service_code = google_ids.service_id
    left join google_services
        on named.service = google_services.service_name
    left join services
        on lower(named.service) = services.service_name
    left join subcategories
        on named.service_category = subcategories.service_category
        and named.service_subcategory = subcategories.service_subcategory
    left join regions
        on named.region_id = regions.region_id

),

-- Other is what an issuer says of a service that it does not know; what the seed of services of
-- FOCUS exports says is more
judged as (

    select
        looked_up.*,
        is_known_category
        and not (service_category = 'Other' and coalesce(seeded_category, 'Other') <> 'Other')
            as keeps_category
    from looked_up

)

select
    judged.*,
    case
        when named_category is not null then named_category
        when keeps_category then service_category
        else coalesce(listed_category, 'Other')
    end as service_class,
    case
        when named_category is not null then named_subcategory
        when keeps_category and is_known_pair then service_subcategory
        when service_subcategory is null and service_category = listed_category
            then listed_subcategory
        when keeps_category then 'Other (' || service_category || ')'
        else coalesce(listed_subcategory, 'Other (Other)')
    end as service_subclass,
    service_name is null as repairs_service_name,
    not keeps_category or coalesce(named_category <> service_category, false)
        as repairs_service_category,
    named_category is null and keeps_category and service_subcategory is not null
    and not is_known_pair as repairs_service_subcategory
from judged
