-- model:   int_focus__gcp_invoices
-- grain:   one row per billing account (billing_account_id)
-- inputs:  stg_gcp__line_items
-- params:  none
-- why:     says whether the month's invoice is issued, which the export does not. It is issued by
--          the fifth business day of the next month, so a row exported on the eighth day or later
--          is one from after it. Rounding to whole cents is done on the invoice, so a rounding
--          exported once the month is over shows it too. Reads the line items a third time, but
--          only four columns. No clock is asked: an export gives the same charges on any day.

with

line_items as (

    select * from stg_gcp__line_items

)

select
    billing_account_id,
    coalesce(max(export_time) >= max(billing_period_end) + interval '7 days', false)
    or coalesce(
        max(case when row_type = 'rounding_error' then export_time end) >= max(billing_period_end),
        false
    ) as is_issued
from line_items
group by billing_account_id
