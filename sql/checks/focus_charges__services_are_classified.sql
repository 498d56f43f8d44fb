-- model:   focus_charges__services_are_classified
-- severity: warn
-- grain:   one row per service without a category (x_ServiceCode, ServiceName)
-- inputs:  focus_charges
-- params:  none
-- why:     a service that the provider's seeds in sql/seeds do not list is classified as Other. What
--          is neither consumed nor bought (rounding, taxes) need not belong to a service.

select
    x_ServiceCode,
    ServiceName,
    count(*) as Charges,
    sum(BilledCost) as BilledCost
from focus_charges
where ServiceCategory = 'Other'
    and ChargeCategory in ('Usage', 'Purchase')
    and ServiceProviderName = HostProviderName
group by x_ServiceCode, ServiceName
