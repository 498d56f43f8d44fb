-- model:   focus_charges__delivered_values_are_known
-- severity: warn
-- promise:  the provider's
-- grain:   one row per unknown value (CapacityReservationStatus, BillingCurrency)
-- inputs:  focus_charges
-- params:  none
-- why:     a currency has three capital letters (F08) and a capacity reservation is used or unused
--          (E03); both are handed on as they are delivered.

select
    CapacityReservationStatus,
    BillingCurrency,
    count(*) as Charges
from focus_charges
where CapacityReservationStatus not in ('Used', 'Unused')
    or length(BillingCurrency) <> 3
    or BillingCurrency <> upper(BillingCurrency)
group by CapacityReservationStatus, BillingCurrency
