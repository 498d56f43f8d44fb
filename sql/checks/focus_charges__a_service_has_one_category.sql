-- model:   focus_charges__a_service_has_one_category
-- severity: warn
-- promise:  the provider's
-- grain:   one row per service in several categories (ServiceName)
-- inputs:  focus_charges
-- params:  none
-- why:     a service belongs to one category (K05). Native exports put some services into two, and
--          we keep what they say; for bills we normalise, the seed of service codes is wrong.

select
    ServiceName,
    min(ServiceCategory) as FirstCategory,
    max(ServiceCategory) as LastCategory,
    min(ServiceSubcategory) as FirstSubcategory,
    max(ServiceSubcategory) as LastSubcategory
from focus_charges
group by ServiceName
having min(ServiceCategory) <> max(ServiceCategory)
    or min(ServiceSubcategory) <> max(ServiceSubcategory)
