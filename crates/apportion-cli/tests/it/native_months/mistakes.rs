//! Wrong figures that a comparison of the two exports of a month has to find.
//!
//! A test that allows differences by a table of exceptions has to be tested itself.

/// One line of one block of a file that says something else, and what has to be said about it.
pub(super) type Mistake = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Mistakes by month; those of a month do not touch each other, so one run finds them all.
pub(super) const MISTAKES: &[(&str, &[Mistake])] = &[
    (
        "aws",
        &[
            (
                "native.txt",
                "refund",
                "BilledCost = -7.35",
                "BilledCost = 7.35",
                "[refund] BilledCost: the exports differ",
            ),
            (
                "native.txt",
                "data transfer",
                "PricingQuantity = 12.5",
                "PricingQuantity = 125",
                "[data transfer] PricingQuantity: the exports differ",
            ),
            (
                "raw.txt",
                "reserved instance usage",
                "net_effective_cost = 36.08",
                "net_effective_cost = 3.608",
                "[reserved instance usage] EffectiveCost: the exports differ",
            ),
            (
                "expect.txt",
                "volume",
                "ServiceCategory = Compute ≠ Storage",
                "ServiceCategory = Compute ≠ Other",
                "native [volume] ServiceCategory: expected `Other`",
            ),
            (
                "native.txt",
                "requests",
                "SkuId = S3REQSKU00000003",
                "SkuId = S3REQSKU00000003\nSkuPriceId = S3REQSKU00000003.JRTCKXETXF.6YS6EN2CT7",
                "[requests] SkuPriceId: an exception where the exports do not differ",
            ),
        ],
    ),
    (
        "azure",
        &[
            ("native.txt", "refund", "BilledCost = -0.45", "BilledCost = 0.45", "native [refund] BilledCost: expected"),
            (
                "native.txt",
                "operations",
                "x_PricingBlockSize = 10000",
                "x_PricingBlockSize = 1",
                "[operations] PricingUnit: the exports differ",
            ),
            (
                "amortized.txt",
                "app service plan",
                "100 Hours",
                "1 Hour",
                "[app service plan] ConsumedQuantity: the exports differ",
            ),
            (
                "actual.txt",
                "savings plan purchase",
                "costInBillingCurrency = 1.08",
                "costInBillingCurrency = 1.8",
                "[savings plan purchase] BilledCost: the exports differ",
            ),
        ],
    ),
    (
        "gcp",
        &[
            // the second of two credits gets lost in a discount, and what an exception allows is still expected
            ("raw.jsonl", "sustained use", "PROMOTION", "DISCOUNT", "raw [promotion]: no charge"),
            ("native.txt", "sustained use", "PROMOTION", "DISCOUNT", "native [sustained use] x_Discounts: expected"),
            (
                "native.txt",
                "covered database",
                "BilledCost = 0.48",
                "BilledCost = 0.84",
                "native [covered database] BilledCost: expected `0.48`",
            ),
        ],
    ),
];
