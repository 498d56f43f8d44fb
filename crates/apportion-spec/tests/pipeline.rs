//! Pipeline documents: what is accepted, and the exact words of every refusal.

use apportion_spec::pipeline::{Fallback, Method, Share};
use apportion_spec::{Pipeline, Vocabulary};

const VOCABULARY: Vocabulary<'static> = Vocabulary {
    charge_columns: &["ServiceName", "SubAccountId", "RegionId", "ChargeCategory", "Tags", "BilledCost"],
    reserved_columns: &["x_BillingPeriod", "x_Source"],
    allocation_columns: &["BilledCost"],
};

const VALID: &str = r"
version: 1
name: sample
sources:
  aws-main: { format: aws_cur_2, location: s3://bucket/cur2/, cost_basis_by_period: { 2026-02: net } }
telemetry:
  requests: { location: t/, time: ts, quantity: n, unit: Requests, target: customer_id, match: { service: svc } }
  cpu: { location: c/, time: ts, quantity: n, unit: CPU-Seconds, target: customer_id }
dimensions:
  service: tag('service')
  customer: tag('customer')
  cost_center: tag('cc')
allocation:
  target: customer
  keep: [ServiceName, service, cost_center]
  rules:
    - { id: dedicated, when: customer is not null, method: direct, to: customer }
    - { id: shared, when: service = 'db', method: proportional, driver: requests, fallback: [previous_period, even] }
    - id: platform
      method: activity_based
      activities:
        - { name: compute, share: 0.7, driver: cpu }
        - { name: ingress, share: 0.3, driver: requests }
unit_economics:
  cost_per_request: { metric: requests, by: [customer, service] }
destination: { location: out/ }
";

fn parse(text: &str) -> Result<Pipeline, String> {
    Pipeline::parse("p.yaml", text, &VOCABULARY).map_err(|error| error.to_string())
}

#[test]
fn a_valid_document_becomes_a_pipeline() {
    let pipeline = parse(VALID).unwrap();
    assert_eq!(pipeline.sources[0].cost_basis_in("2026-02".parse().unwrap()).as_str(), "net");
    assert_eq!(pipeline.sources[0].cost_basis_in("2026-03".parse().unwrap()).as_str(), "gross");
    let columns: Vec<&str> = pipeline.dimensions.iter().map(|dimension| dimension.column.as_str()).collect();
    assert_eq!(columns, ["x_CostCenter", "x_Customer", "x_Service"]);
    let allocation = pipeline.allocation.unwrap();
    assert_eq!(allocation.keep_columns, ["ServiceName"]);
    assert_eq!(allocation.keep_dimensions, ["service", "cost_center"]);
    let rules: Vec<_> =
        allocation.rules().map(|(stage, rule)| (stage.name.as_str(), rule.id.as_str(), rule.method.as_str())).collect();
    assert_eq!(
        rules,
        [
            ("usage", "dedicated", "direct"),
            ("usage", "shared", "proportional"),
            ("usage", "platform", "activity_based")
        ]
    );
    assert_eq!(allocation.stages[0].rules[1].fallback, [Fallback::PreviousPeriod, Fallback::Even]);
    let Method::ActivityBased { activities, .. } = &allocation.stages[0].rules[2].method else { panic!("method") };
    assert_eq!(activities[0].share, Share::parse("0.7"));
    assert_eq!(allocation.stages[0].rules[0].when.as_ref().unwrap().place.line, 17);
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = VALID
        .replace("format: aws_cur_2", "format: aws_cur2")
        .replace("fallback: [previous_period", "fallbak: [previous_period")
        .replace("share: 0.7", "share: 7")
        .replace("destination: { location: out/ }", "destination: { format: parquet }");
    insta::assert_snapshot!(parse(&text).unwrap_err());
}

#[test]
fn references_and_shares_are_checked_together() {
    let text = VALID
        .replace("driver: requests, fallback", "driver: request, fallback")
        .replace("share: 0.7", "share: 0.8")
        .replace("keep: [ServiceName, service, cost_center]", "keep: [ServiceNam, cost_center, BilledCost]")
        .replace("target: customer\n", "target: custmer\n")
        .replace("cost_center: tag('cc')", "cost_center: tag('cc')\n  source: tag('s')")
        .replace("when: service = 'db', ", "to: customer, ")
        .replace("2026-02: net", "2026-13: net");
    insta::assert_snapshot!(parse(&text).unwrap_err());
}

#[test]
fn a_mistake_of_form_hides_no_wrong_reference() {
    let text = VALID
        .replace("version: 1\n", "")
        .replace("format: aws_cur_2", "format: aws_cur2")
        .replace("driver: requests, fallback", "driver: request, fallback")
        .replace("share: 0.3", "share: 0.4");
    insta::assert_snapshot!(parse(&text).unwrap_err());
}

/// Whatever else the misspelt key meant is not known, so nothing that only its absence makes look wrong is told.
#[test]
fn a_misspelt_key_causes_no_other_mistake() {
    let keys = "version name sources telemetry dimensions allocation unit_economics destination format location \
                cost_basis_by_period time quantity unit target match keep rules id when method to driver fallback \
                activities share metric by";
    let mut misspelt = 0;
    for key in keys.split_whitespace() {
        let declared = format!("{key}:");
        for (start, _) in VALID.match_indices(&declared) {
            let before = VALID[..start].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' {
                continue;
            }
            misspelt += 1;
            let text = format!("{}{key}x:{}", &VALID[..start], &VALID[start + declared.len()..]);
            let told = parse(&text).unwrap_err();
            for line in told.lines() {
                let is_of_form = line.contains("unknown key") || line.contains("lacks the key");
                assert!(is_of_form, "`{key}` in {:?}\n{told}", &VALID[start..(start + 40).min(VALID.len())]);
            }
        }
    }
    assert!(misspelt > 40, "only {misspelt} keys were found");
}

#[test]
fn an_export_counts_once() {
    let sources =
        "  aws-main: { format: aws_cur_2, location: s3://bucket/cur2/, cost_basis_by_period: { 2026-02: net } }";
    let parse_with = |more: &str| parse(&VALID.replace(sources, &format!("{sources}\n{more}")));
    insta::assert_snapshot!(
        parse_with(
            "  again: { format: aws_cur_2, location: s3://bucket/cur2 }
  below: { format: aws_cur_2, location: s3://bucket/cur2/acme/ }
  late: { format: focus, location: s3://bucket/focus/, from: 2026-05, to: 2026-04 }
  wrong: { format: focus, location: s3://bucket/other/, from: 2026-5x }"
        )
        .unwrap_err()
    );
    let inside = VALID.replace("{ location: out/ }", "{ location: s3://bucket/cur2/tables/ }");
    assert!(parse(&inside).unwrap_err().contains("would lie inside the location of `aws-main`"));
    assert!(parse_with("  other: { format: aws_cur_2, location: s3://bucket/cur22/ }").is_ok());
    let divided = VALID.replace("location: s3://bucket/cur2/,", "location: s3://bucket/cur2/, to: 2026-02,");
    let second = "  new: { format: focus, location: s3://bucket/cur2/, from: 2026-03 }\ntelemetry:";
    let pipeline = parse(&divided.replace("telemetry:", second)).unwrap();
    let covering = |period: &str| {
        let period = period.parse().unwrap();
        pipeline.sources.iter().filter(|source| source.covers(period)).map(|it| it.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!((covering("2026-02"), covering("2026-03")), (vec!["aws-main".to_owned()], vec!["new".to_owned()]));
}

#[test]
fn malformed_yaml_names_line_and_column() {
    insta::assert_snapshot!(parse("version: 1\nname: [a\nsources: {}\n").unwrap_err());
    insta::assert_snapshot!(parse("version: 2\nname: a\nsources: {}\ndestination: { location: x }\n").unwrap_err());
}

#[test]
fn each_method_says_what_it_needs() {
    let rules = "rules:
    - { id: a, when: x, method: direct }
    - { id: b, when: x, method: proportional, driver: cpu, weight: billed }
    - { id: c, when: x, method: even }
    - { id: d, when: x, method: fixed, shares: { t: 0.6, u: 0.5 } }
    - { id: e, when: x, method: activity_based, activities: [{ name: n, driver: cpu }] }
    - { id: f, when: x, method: proportional, weight: effective }
    - { id: a, method: fixed, shares: { t: 0.1234567890123 } }
unit_economics:";
    let start = VALID.find("rules:").unwrap();
    let end = VALID.find("unit_economics:").unwrap();
    let text = format!("{}{}{}", &VALID[..start], rules, &VALID[end + "unit_economics:".len()..]);
    insta::assert_snapshot!(parse(&text).unwrap_err());
}

#[test]
fn shares_are_exact() {
    assert_eq!(Share::parse("0.000000000001").map(Share::units), Some(1));
    assert_eq!(Share::parse("1").map(Share::units), Some(1_000_000_000_000));
    assert_eq!(Share::parse("1.000000000001"), None);
    assert_eq!(Share::parse("0.0000000000001"), None);
    assert_eq!(Share::parse("-0.1"), None);
}

#[test]
fn the_checked_in_schema_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/pipeline.schema.json");
    let fresh = serde_json::to_string_pretty(&apportion_spec::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(checked_in == fresh, "pipeline.schema.json is stale; run UPDATE_EXPECT=1 cargo test -p apportion-spec");
}

#[test]
fn what_is_kept_of_a_file_says_the_same_without_its_comments() {
    let text = "# noted here\nversion: 1\nname: a   # and there\nlist: [0.1, 1.0e-7, 1e21, -0, 12345678901234567890, 0.30]\n\
                texts: { b: 'yes', a: \"1\", c: |\n    two # no comment\n    lines\n  }\nodd: \"\\e\\u202e\\x7f é 😀 \\\"q\\\" \\\\\"\n\
                anchored: &x { y: ~, z: true }\nagain: *x\nmonths: { 2026-01: net }\n";
    let text = text.replace(
        "texts: { b: 'yes', a: \"1\", c: |\n    two # no comment\n    lines\n  }",
        "texts:\n  b: 'yes'\n  a: \"1\"\n  c: |\n    two # no comment\n    lines",
    );
    let kept = apportion_spec::canonical("file", &text).unwrap();
    let read = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let value = read(&kept);
    assert_eq!(value["texts"], serde_json::json!({ "a": "1", "b": "yes", "c": "two # no comment\nlines\n" }));
    assert_eq!(value["odd"], "\u{1b}\u{202e}\u{7f} é 😀 \"q\" \\");
    assert_eq!(value["again"], serde_json::json!({ "y": null, "z": true }));
    assert_eq!(value["months"], serde_json::json!({ "2026-01": "net" }));
    assert!(!kept.contains("noted") && !kept.contains("and there"), "{kept}");
    let again = apportion_spec::canonical("file", &kept).unwrap();
    assert_eq!(again, kept, "what is kept is read again as it was");
    let other = text.replace("# noted here", "# another note").replace("name: a ", "name:   a ");
    assert_eq!(apportion_spec::canonical("file", &other).unwrap(), kept);
    let changed = text.replace("0.30", "0.31");
    assert_ne!(apportion_spec::canonical("file", &changed).unwrap(), kept);
    let sample = include_str!("../../../pipelines/sample.yaml");
    let kept = apportion_spec::canonical("file", sample).unwrap();
    assert_eq!(apportion_spec::canonical("file", &kept).unwrap(), kept);
}

#[test]
fn followers_inherit_kept_dimensions_and_nothing_else() {
    let inherited = |text: &str| parse(text).map(|pipeline| pipeline.allocation.unwrap().inherited);
    assert_eq!(inherited(VALID).unwrap(), ["service", "cost_center"], "all that are kept, when nothing is said");
    let with = |inherit: &str| {
        VALID.replace("unit_economics:", &format!("  followers: {{ tax: rules, inherit: {inherit} }}\nunit_economics:"))
    };
    assert_eq!(inherited(&with("[cost_center]")).unwrap(), ["cost_center"]);
    assert!(inherited(&with("[]")).unwrap().is_empty());
    let told = parse(&with("[cost_centre, ServiceName, customer, service, service]")).unwrap_err();
    let expected = [
        "`cost_centre` is not a dimension, did you mean `cost_center`?",
        "`ServiceName` is a column of the bill, and a follower keeps its own; dimensions can be inherited",
        "`customer` must be listed in `allocation.keep` to be inherited",
        "`service` is inherited twice",
    ];
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{told}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected) && line.contains(":24:"), "{line}");
    }
    let misspelt = parse(&with("[service]").replace("keep:", "kep:")).unwrap_err();
    assert!(misspelt.lines().all(|line| line.contains("unknown key")), "{misspelt}");
}

/// Everything that decides about figures, once as short as it can be said and once in full.
const FULL: &str = r"
name: other
version: 1
destination: { format: delta, location: elsewhere/ }
reporting: { currency: EUR, rates: { USD: { 2026-01: 0.90, 2026-02: 0.9231, 2026-09: 2 } } }
unit_economics:
  cost_per_request: { metric: requests, ledger: effective, by: [customer, service] }
sources:
  # what a comment says decides nothing
  bill:
    store: { endpoint: 'http://127.0.0.1:9000', region: eu-west-1 }
    format: focus
    location: s3://bucket/focus/
    keep: [x_Project]
    null_words: ['NULL', '\N']
    cost_basis: gross
    from: 2025-01
telemetry:
  requests: { time: ts, quantity: n, unit: Requests, target: customer_id, location: t/, unique_by: [id], match: { service: svc } }
dimensions: { service: tag('service'), customer: tag('customer') }
allocation:
  target: customer
  grain: day
  keep: [service]
  followers: { tax: rules }
  rules:
    - { id: halves, method: fixed, shares: { a: 0.50, b: 0.5 }, when: service = 'db' }
    - { id: shared, method: proportional, driver: requests, fallback: [previous_period] }
";

/// Digests of these texts are stored beside every table: another text computes every month of every user again. So
/// a name of the code may change and these may not, unless figures change with them.
#[test]
fn what_decides_about_figures_is_told_in_the_words_of_the_file() {
    let pipeline = parse(FULL).unwrap();
    let period = "2026-01".parse().unwrap();
    assert_eq!(
        pipeline.source_identity("bill", period),
        r#"gross {"format":"focus","keep":["x_Project"],"location":"s3://bucket/focus/","null_words":["NULL","\\N"],"#
            .to_owned()
            + r#""store":{"endpoint":"http://127.0.0.1:9000","region":"eu-west-1"}}"#
    );
    insta::assert_snapshot!(pipeline.allocation_identity(period));
    assert!(!pipeline.allocation_identity(period).contains("2026-09"), "the rate of a month to come");
    let without = |from: &str, to: &str| {
        assert!(FULL.contains(from), "{from}");
        parse(&FULL.replace(from, to)).unwrap()
    };
    // What says the same decides the same.
    for (from, to) in
        [("  grain: day\n", ""), ("    cost_basis: gross\n", ""), (", ledger: effective", ""), ("  # what", "  # who")]
    {
        let same = without(from, to);
        assert_eq!(same.source_identity("bill", period), pipeline.source_identity("bill", period), "{from}");
        assert_eq!(same.allocation_identity(period), pipeline.allocation_identity(period), "{from}");
    }
    // `[]` says that every word is a text, which nothing does not say.
    let words = "    null_words: ['NULL', '\\N']\n";
    let (none, no_words) = (without(words, ""), without(words, "    null_words: []\n"));
    assert_ne!(none.source_identity("bill", period), no_words.source_identity("bill", period));
    let region = without("region: eu-west-1", "region: eu-west-2");
    assert_ne!(region.source_identity("bill", period), pipeline.source_identity("bill", period));
    assert_eq!(region.allocation_identity(period), pipeline.allocation_identity(period));
}
