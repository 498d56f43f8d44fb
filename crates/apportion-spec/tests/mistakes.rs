//! Every refusal of a pipeline, with its place, its words and the nearest valid choice.
//!
//! One document that says all there is to say is valid. Each case changes one thing of it, and the snapshot holds what
//! is said then. A refusal in the code that no case provokes fails the test, so a new one brings its own.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking, with the place")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use apportion_spec::{Pipeline, Vocabulary};
use regex::Regex;

const VOCABULARY: Vocabulary<'static> = Vocabulary {
    charge_columns: &["ServiceName", "SubAccountId", "RegionId", "ChargeCategory", "Tags", "BilledCost"],
    reserved_columns: &["x_BillingPeriod", "x_Source"],
    allocation_columns: &["BilledCost"],
};

const WHOLE: &str = r"version: 1
name: whole
sources:
  aws-main: { format: aws_cur_2, location: s3://bills/cur2/, cost_basis: gross, cost_basis_by_period: { 2026-02: net } }
  others: { format: focus, location: focus/, from: 2025-01, to: 2026-12, keep: [x_Own], null_words: ['-'] }
telemetry:
  requests: { location: t/, time: ts, quantity: n, unit: Requests, target: c, match: { service: svc }, unique_by: [id] }
  cpu: { location: c/, time: ts, quantity: n, unit: CPU-Seconds, target: c, store: { endpoint: 'http://127.0.0.1:9000' } }
dimensions:
  service: tag('service')
  customer: tag('customer')
  cost_center: tag('cc')
allocation:
  target: customer
  keep: [ServiceName, service, cost_center]
  stages:
    - name: first
      rules:
        - { id: own, when: customer is not null, method: direct, to: customer }
        - { id: shared, when: service = 'a', method: proportional, driver: requests, fallback: [previous_period, even] }
        - { id: weighted, when: service = 'b', method: proportional, drivers: [{ driver: cpu, share: 0.4 }, { driver: requests, share: 0.6 }] }
        - { id: agreed, when: service = 'c', method: fixed, shares: { acme: 0.5, lumen: 0.5 } }
        - { id: alike, when: service = 'd', method: even, targets: [acme, lumen] }
        - { id: seen, when: service = 'e', method: even, driver: cpu }
        - { id: parts, when: service = 'f', method: activity_based, activities: [{ name: run, share: 0.7, driver: cpu }, { name: route, share: 0.3, driver: requests }] }
        - { id: measured, when: service = 'g', method: activity_based, resource_driver: cpu, activities: [{ name: run, driver: cpu }, { name: route, driver: requests }] }
    - name: second
      rules:
        - { id: rest, method: proportional, weight: effective }
  followers: { inherit: [service] }
unit_economics:
  cost_per_request: { metric: requests, by: [customer, service] }
reporting:
  currency: EUR
  rates: { USD: { 2026-01: 0.92 } }
  restated_months: [2026-01]
destination: { location: out/, format: parquet }
engine: { memory_limit_mib: 512, jobs: 2 }
runs: { look_back: 2, hold_when_smaller_by: 0.5 }
seeds: seeds/
";

/// What is changed, and into what.
const CASES: &[(&str, &str)] = &[
    ("version: 1", "version: 3"),
    ("version: 1", "version: first"),
    ("name: whole", "name: the whole"),
    ("name: whole", "nam: whole"),
    ("aws-main:", "aws main:"),
    ("format: aws_cur_2", "format: aws_cur2"),
    ("format: aws_cur_2", "format: 2"),
    ("cost_basis: gross", "cost_basis: brutto"),
    ("cost_basis: gross", "cost_bases: gross"),
    ("2026-02: net", "2026-13: net"),
    ("from: 2025-01", "from: January"),
    ("from: 2025-01, to: 2026-12", "from: 2026-12, to: 2026-11"),
    ("format: focus, location: focus/", "format: aws_cur_legacy, location: focus/"),
    ("null_words: ['-']", "null_words: ['']"),
    ("null_words: ['-']", "null_words: none"),
    ("location: focus/", "location: s3://bills/cur2"),
    ("location: s3://bills/cur2/", "location: s3://key:word@bills/cur2/"),
    ("location: s3://bills/cur2/", "location: ftp://bills/cur2/"),
    ("http://127.0.0.1:9000", "127.0.0.1:9000"),
    ("location: out/", "location: s3://bills/cur2/tables/"),
    ("location: out/", "location: ''"),
    ("cost_center: tag('cc')", "CostCenter: tag('cc')"),
    ("cost_center: tag('cc')", "cost_center: tag('cc')\n  source: tag('s')"),
    ("match: { service: svc }", "match: { servise: svc }"),
    ("match: { service: svc }", "match: { ServiceNam: svc }"),
    ("time: ts, quantity: n, unit: Requests", "time: ts, unit: Requests"),
    ("unique_by: [id]", "unique_by: id"),
    ("requests: { location", "the requests: { location"),
    ("target: customer\n", "target: custmer\n"),
    ("keep: [ServiceName,", "keep: [ServiceNmae,"),
    ("keep: [ServiceName,", "keep: [BilledCost,"),
    ("keep: [ServiceName,", "keep: [service,"),
    ("name: second", "name: first"),
    ("name: second", "name: followers"),
    ("name: second", "name: the second"),
    ("id: rest", "id: own"),
    ("id: rest", "id: the rest"),
    ("  stages:\n", "  rules: [{ id: r, method: direct, to: customer }]\n  stages:\n"),
    ("when: customer is not null, ", ""),
    ("method: direct, to: customer", "method: direct"),
    ("method: direct, to: customer", "method: direct, to: customer, driver: cpu"),
    ("method: direct, to: customer", "method: dierct, to: customer"),
    ("driver: requests, fallback", "driver: request, fallback"),
    ("driver: requests, fallback", "fallback"),
    ("driver: requests, fallback", "driver: requests, weight: billed, fallback"),
    ("fallback: [previous_period, even]", "fallback: [previous_periode, even]"),
    ("{ driver: cpu, share: 0.4 }", "{ driver: requests, share: 0.4 }"),
    ("share: 0.4 }", "share: 0.5 }"),
    ("share: 0.4 }", "share: 1.4 }"),
    ("share: 0.4 }", "share: 0.1234567890123 }"),
    ("acme: 0.5, lumen: 0.5", "acme: 0.5, lumen: 0.500000000001"),
    (", shares: { acme: 0.5, lumen: 0.5 }", ""),
    ("targets: [acme, lumen]", "targets: [acme, acme]"),
    (", targets: [acme, lumen]", ""),
    ("method: even, driver: cpu", "method: even, driver: cpus"),
    ("name: run, share: 0.7, driver: cpu", "name: run, driver: cpu"),
    ("name: run, share: 0.7, driver: cpu", "name: route, share: 0.7, driver: cpu"),
    ("name: run, share: 0.7, driver: cpu", "name: run, share: 0.7, driver: gpu"),
    (
        "activities: [{ name: run, share: 0.7, driver: cpu }, { name: route, share: 0.3, driver: requests }]",
        "activities: []",
    ),
    (
        "resource_driver: cpu, activities: [{ name: run, driver",
        "resource_driver: cpu, activities: [{ name: run, share: 1, driver",
    ),
    ("resource_driver: cpu", "resource_driver: cpus"),
    ("method: fixed, shares: { acme: 0.5, lumen: 0.5 }", "method: proportional, weight: effective"),
    ("inherit: [service]", "inherit: [ServiceName]"),
    ("inherit: [service]", "inherit: [servise]"),
    ("inherit: [service]", "inherit: [customer]"),
    ("inherit: [service]", "inherit: [service, service]"),
    ("metric: requests", "metric: reqests"),
    ("by: [customer, service]", "by: [customer, RegionId]"),
    ("by: [customer, service]", "by: [customer, cost_center]"),
    ("cost_per_request: {", "cost per request: {"),
    ("currency: EUR", "currency: euro"),
    ("currency: EUR", "currency: USD"),
    ("2026-01: 0.92", "2026-01: 0"),
    ("2026-01: 0.92", "2026-01: 1e-19"),
    ("2026-01: 0.92", "January: 0.92"),
    ("restated_months: [2026-01]", "restated_months: [2026-00]"),
    ("format: parquet", "format: parkett"),
    ("memory_limit_mib: 512", "memory_limit_mib: 1"),
    ("jobs: 2", "jobs: 0"),
    ("jobs: 2", "jobs: two"),
    ("look_back: 2", "look_back: -1"),
    ("hold_when_smaller_by: 0.5", "hold_when_smaller_by: 1.5"),
    ("hold_when_smaller_by: 0.5", "hold_when_smaller_by: 0.1234567890123"),
    ("seeds: seeds/", "seeds: s3://bucket/seeds/"),
    ("seeds: seeds/", "seeds: ' '"),
    ("unit: CPU-Seconds", "unit: AKIAIOSFODNN7EXAMPLE"),
    ("sources:\n", "sources: []\nsource:\n"),
];

fn told(text: &str) -> Option<String> {
    Pipeline::parse("p.yaml", text, &VOCABULARY).err().map(|error| error.to_string())
}

/// What is said of every case.
fn all() -> Vec<(String, String)> {
    let parts = |text: &str, section: &str| {
        let start = text.find(section).expect("section");
        let end = text[start + 1..]
            .match_indices('\n')
            .map(|(at, _)| start + 1 + at + 1)
            .find(|at| !text[*at..].starts_with(' '));
        format!("{}{}", &text[..start], &text[end.expect("another section")..])
    };
    let mut all = Vec::new();
    let mut accepted = Vec::new();
    for (from, to) in CASES {
        assert!(WHOLE.contains(from), "`{from}` is not in the document");
        match told(&WHOLE.replacen(from, to, 1)) {
            Some(said) => all.push((format!("{} -> {}", from.trim(), to.trim()), said)),
            None => accepted.push(format!("`{from}` -> `{to}`")),
        }
    }
    assert!(accepted.is_empty(), "not refused:\n{}", accepted.join("\n"));
    for section in ["allocation:", "sources:", "telemetry:", "destination:"] {
        let said = told(&parts(WHOLE, section)).unwrap_or_else(|| panic!("no `{section}` is not refused"));
        all.push((format!("without {section}"), said));
    }
    let empty = WHOLE.find("sources:\n").expect("sources");
    let end = WHOLE.find("telemetry:\n").expect("telemetry");
    let text = format!("{}sources: {{}}\n{}", &WHOLE[..empty], &WHOLE[end..]);
    all.push(("sources: {}".to_owned(), told(&text).expect("refused")));
    all.push(("no YAML".to_owned(), told("version: 1\nname: [a\nsources: {}\n").expect("refused")));
    all.push(("no mapping".to_owned(), told("- version: 1\n").expect("refused")));
    all
}

#[test]
fn a_document_that_says_everything_is_valid() {
    assert_eq!(told(WHOLE), None);
}

#[test]
fn every_mistake_has_a_place_and_a_way_out() {
    let mut text = String::new();
    for (case, said) in all() {
        for line in said.lines() {
            assert!(line.starts_with("p.yaml:"), "{case}: {line}");
        }
        writeln!(text, "{case}\n    {}\n", said.replace('\n', "\n    ")).expect("text");
    }
    insta::assert_snapshot!(text);
}

/// The words between the placeholders of every message in the code.
fn messages() -> Vec<(String, Vec<String>)> {
    let literal = Regex::new(r#""((?:[^"\\]|\\.|\\\n)*)""#).expect("pattern");
    let placeholder = Regex::new(r"\{[^{}]*\}").expect("pattern");
    let continued = Regex::new(r"\\\n\s*").expect("pattern");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join("validate.rs")];
    files.extend(fs::read_dir(source.join("validate")).expect("folder").map(|entry| entry.expect("file").path()));
    let mut messages = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("text");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for found in literal.captures_iter(&code.join("\n")) {
            let message = continued.replace_all(&found[1], "").replace("\\\"", "\"");
            let words: Vec<String> =
                placeholder.split(&message).map(str::to_owned).filter(|part| part.trim().contains(' ')).collect();
            if message.matches(' ').count() >= 3 && !words.is_empty() {
                messages.push((message, words));
            }
        }
    }
    messages
}

#[test]
fn every_refusal_of_the_code_is_provoked() {
    let messages = messages();
    assert!(messages.len() > 35, "only {} messages were found", messages.len());
    let said: String = all().into_iter().map(|(_, said)| said + "\n").collect();
    let untested: Vec<&str> = messages
        .iter()
        .filter(|(_, words)| !said.lines().any(|line| words.iter().all(|part| line.contains(part.as_str()))))
        .map(|(message, _)| message.as_str())
        .collect();
    assert!(untested.is_empty(), "no case provokes:\n{}", untested.join("\n"));
}
