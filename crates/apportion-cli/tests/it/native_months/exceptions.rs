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
        charges: &[
            "on-demand instance",
            "Spot instance",
            "reserved instance usage",
            "reserved instance fee",
            "reserved instance unused",
            "covered by a Savings Plan",
        ],
        columns: &["SkuPriceDetails"],
        reason: "the export has a map of text, so numbers in it are text",
        source: "AWS, table dictionary of FOCUS_1_2_AWS: SkuPriceDetails is a map of strings",
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
];
