//! Where the two exports of a month cannot say the same. There is no other such place.
//!
//! An entry is needed for every difference and refused where there is none, and both sides of it
//! stand in `expect.txt`, so the list can neither hide a regression nor grow stale.

/// A difference that neither path can undo.
pub(super) struct Exception {
    /// The folder under `testdata/fixtures/months/`.
    pub(super) month: &'static str,
    /// Names of the charges in `expect.txt`; none: all in which the columns differ.
    pub(super) charges: &'static [&'static str],
    /// Columns that differ; none: only one of the exports has the charges.
    pub(super) columns: &'static [&'static str],
    /// Which of the exports lacks what.
    pub(super) reason: &'static str,
    /// Who says so.
    pub(super) source: &'static str,
}

/// Every difference, by month.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        month: "aws",
        charges: &[],
        columns: &["x_LineItemType", "x_UsageType"],
        reason: "FOCUS has no line item types, and AWS's 1.2 no longer has x_UsageType: its text is SkuMeter",
        source: "AWS, table dictionary of FOCUS_1_2_AWS: its own columns are x_Discounts, x_Operation, x_ServiceCode",
    },
    Exception {
        month: "aws",
        charges: &["data transfer", "marketplace subscription", "marketplace usage"],
        columns: &["x_ServiceCode"],
        reason: "AWS gives the product code that is billed, and none on the marketplace; the bill also knows what sells",
        source: "users' comparisons of both exports: DigitalPebble/spruce #250, etiennechabert/cost-goblin",
    },
    Exception {
        month: "aws",
        charges: &["volume", "data transfer"],
        columns: &["ServiceCategory", "ServiceSubcategory"],
        reason: "AWS classifies by kind of product and puts EC2 into three categories; we give a service one, as FOCUS asks",
        source: "published samples of AWS's FOCUS exports; FOCUS, ServiceName belongs to one ServiceCategory",
    },
    Exception {
        month: "aws",
        charges: &["reserved instance usage", "reserved instance fee", "reserved instance unused"],
        columns: &["CommitmentDiscountQuantity", "CommitmentDiscountUnit"],
        reason: "the bill counts a size-flexible reservation in normalized units, FOCUS in hours of what was reserved",
        source: "AWS, reservation columns of the Cost and Usage Report; FOCUS 1.2, CommitmentDiscountUnit",
    },
    Exception {
        month: "aws",
        charges: &["requests"],
        columns: &["SkuPriceId"],
        reason: "the export leaves the id of some prices empty; the product stands in for it",
        source: "AWS, conformance gaps of FOCUS 1.2: SkuPriceId may be null where it should not be",
    },
    Exception {
        month: "aws",
        charges: &["marketplace subscription", "marketplace usage"],
        columns: &["SkuId", "SkuPriceId"],
        reason: "neither export has a SKU; the bill's product code, which stands in for it, is not in FOCUS",
        source: "AWS, conformance gaps of FOCUS 1.2: SkuId may be null for certain product offerings",
    },
    Exception {
        month: "aws",
        charges: &["marketplace subscription", "marketplace usage"],
        columns: &["ServiceProviderName"],
        reason: "the export says only who publishes, which elsewhere is AWS itself under more than one name",
        source: "FOCUS 1.2, ProviderName and PublisherName; AWS, conformance gaps: PublisherName may be null",
    },
    Exception {
        month: "aws",
        charges: &["tax"],
        columns: &["InvoiceIssuerName"],
        reason: "the export leaves the issuer of some charges empty; the provider stands in for it",
        source: "AWS, conformance gaps of FOCUS 1.2: InvoiceIssuerName may be null for certain charges",
    },
    Exception {
        month: "azure",
        charges: &[],
        columns: &["x_LineItemType", "x_ServiceCode"],
        reason: "the FOCUS export has neither the charge type nor the consumed service",
        source: "Microsoft, metadata of the FOCUS dataset 1.2-preview: no such columns",
    },
    Exception {
        month: "azure",
        charges: &[],
        columns: &["SkuPriceId"],
        reason: "the price is named by product, SKU and meter; cost exports have no SKU below the product, but a term",
        source: "Microsoft, FOCUS conformance summary: SkuPriceId is {ProductId}_{SkuId}_{MeterId}",
    },
    Exception {
        month: "azure",
        charges: &["unused savings plan"],
        columns: &["SkuId", "SkuMeter"],
        reason: "neither export names a product, and each names it by what it has: order and charge type, or service",
        source: "Microsoft, FOCUS conformance summary: SkuId is null for unused savings plans",
    },
    Exception {
        month: "azure",
        charges: &["operations", "unused savings plan"],
        columns: &["ServiceName"],
        reason: "cost exports name a resource provider, and the service behind it is our own list, not Microsoft's",
        source: "sql/seeds/azure_resource_types.csv; Microsoft, FinOps toolkit open data: services",
    },
    Exception {
        month: "azure",
        charges: &["marketplace"],
        columns: &["ResourceType"],
        reason: "cost exports have the type's id only, and its name is from our own list, not Microsoft's",
        source: "sql/seeds/azure_resource_types.csv; Microsoft, FinOps toolkit open data: resource types",
    },
    Exception {
        month: "azure",
        charges: &["refund"],
        columns: &["ChargeCategory"],
        reason: "every refund is a purchase in the FOCUS export, whatever it refunds",
        source: "Microsoft, convert cost data to FOCUS: ChargeCategory",
    },
    Exception {
        month: "gcp",
        charges: &[],
        columns: &["x_Finality"],
        reason: "the FOCUS export names no invoice; that one is issued is told by rows of the month, which only the \
                 path of the billing export looks at",
        source: "docs/providers/focus.md, docs/providers/gcp.md",
    },
    Exception {
        month: "gcp",
        charges: &[],
        columns: &["SkuPriceId", "SkuPriceDetails"],
        reason: "the FOCUS export has no columns for the tier and the block of a price; its price id is a sentence",
        source: "Google, FOCUS view over the detailed export: SkuPriceId",
    },
    Exception {
        month: "gcp",
        charges: &["promotion", "rest of the partly covered machine", "unused spend commitment"],
        columns: &[],
        reason: "credits are inside the cost of their row, so the row stays one charge",
        source: "Google, FOCUS view: BilledCost is cost and all credits; docs/providers/focus.md, limits",
    },
    Exception {
        month: "gcp",
        charges: &["sustained use"],
        columns: &[
            "BilledCost",
            "EffectiveCost",
            "PricingCurrencyEffectiveCost",
            "ContractedCost",
            "ContractedUnitPrice",
            "PricingCurrencyContractedUnitPrice",
            "x_Discounts",
        ],
        reason: "the promotion is inside billed and effective cost, and no discount is inside contracted cost",
        source: "Google, FOCUS view: ContractedCost is the cost before credits",
    },
    Exception {
        month: "gcp",
        charges: &["partly covered machine"],
        columns: &[
            "BilledCost",
            "EffectiveCost",
            "PricingCurrencyEffectiveCost",
            "ContractedCost",
            "ListCost",
            "PricingQuantity",
            "ConsumedQuantity",
            "CommitmentDiscountQuantity",
            "x_Discounts",
        ],
        reason: "the credit of a commitment is inside the cost of the whole row",
        source: "docs/providers/focus.md, limits",
    },
    Exception {
        month: "gcp",
        charges: &["covered database"],
        columns: &["BilledCost", "ContractedCost", "ContractedUnitPrice", "PricingCurrencyContractedUnitPrice"],
        reason: "usage under a spend commitment is billed at the commitment's price, which is also the contracted one",
        source: "Google, FOCUS view: BilledCost and ContractedCost are the cost of the row",
    },
    Exception {
        month: "gcp",
        charges: &["fee of the spend commitment"],
        columns: &[
            "BilledCost",
            "EffectiveCost",
            "PricingCurrencyEffectiveCost",
            "CommitmentDiscountQuantity",
            "x_Discounts",
        ],
        reason: "offsets are inside the cost of the fee, so what is left of it is the unused part",
        source: "Google, FOCUS view: BilledCost is cost and all credits",
    },
    Exception {
        month: "gcp",
        charges: &["rounding"],
        columns: &["SkuId", "SkuMeter"],
        reason: "only regular rows have a SKU",
        source: "Google, FOCUS view: SkuId",
    },
    Exception {
        month: "gcp",
        charges: &["correction"],
        columns: &[
            "ChargeCategory",
            "ChargeFrequency",
            "PricingCategory",
            "PricingQuantity",
            "PricingUnit",
            "ContractedUnitPrice",
            "ListUnitPrice",
            "PricingCurrencyContractedUnitPrice",
            "PricingCurrencyListUnitPrice",
            "ConsumedQuantity",
            "ConsumedUnit",
            "SkuId",
            "SkuMeter",
        ],
        reason: "what adjusts is an adjustment without SKU, price and quantity, whatever it adjusts",
        source: "Google, FOCUS view: ChargeCategory and SkuId follow cost_type",
    },
    Exception {
        month: "gcp",
        charges: &["machine in euros"],
        columns: &[
            "PricingCurrency",
            "PricingCurrencyContractedUnitPrice",
            "PricingCurrencyEffectiveCost",
            "PricingCurrencyListUnitPrice",
        ],
        reason: "the billing export has its prices in the currency of the invoice only, the FOCUS export also in dollars",
        source: "docs/providers/gcp.md, cost; users' measurements of the FOCUS export: etiennechabert/cost-goblin",
    },
];
