-- model:   int_focus__native_regions
-- grain:   one row per name of a region at a provider (provider, name_key)
-- inputs:  seed_aws_regions, seed_azure_regions, seed_gcp_regions
-- params:  none
-- why:     finds the id of a region that an export only names. A name is compared without spaces
--          and case, as the spellings of Azure are kept; one that is of several regions says none.

with

aws_regions as (

    select * from seed_aws_regions

),

azure_regions as (

    select * from seed_azure_regions

),

gcp_regions as (

    select * from seed_gcp_regions

),

names as (

    select
        'aws' as provider,
        lower(replace(region_name, ' ', '')) as name_key,
        region_id
    from aws_regions
    union all
    select
        'google' as provider,
        lower(replace(region_name, ' ', '')) as name_key,
        region_id
    from gcp_regions
    union all
    select
        'microsoft' as provider,
        spelling as name_key,
        region_id
    from azure_regions

)

select
    provider,
    name_key,
    min(region_id) as region_id
from names
group by provider, name_key
having min(region_id) = max(region_id)
