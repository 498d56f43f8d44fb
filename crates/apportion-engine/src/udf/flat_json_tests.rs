//! Reading one key and writing strings, compared with what was written.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn what_is_written_is_found(pairs in prop::collection::btree_map(".{0,8}", ".{0,12}", 1..6)) {
        let mut json = String::new();
        for (index, (key, value)) in pairs.iter().enumerate() {
            json.push(if index == 0 { '{' } else { ',' });
            write_string(&mut json, key);
            json.push(':');
            write_string(&mut json, value);
        }
        json.push('}');
        for (key, value) in &pairs {
            let found = find(&json, key);
            prop_assert_eq!(found.as_deref(), Some(value.as_str()));
        }
    }

    #[test]
    fn any_text_is_survived(json in ".{0,60}", key in ".{0,4}") {
        let _ = find(&json, &key);
        let _ = find(&format!("{{\"a\":{json}"), "b");
    }
}

#[test]
fn values_other_than_strings_are_returned_as_written() {
    let json = r#" { "n" : 1.50 , "t":true,"z":null,"o":{"a":[1,"}"]} , "s":"x" } "#;
    assert_eq!(find(json, "n").as_deref(), Some("1.50"));
    assert_eq!(find(json, "t").as_deref(), Some("true"));
    assert_eq!(find(json, "z"), None);
    assert_eq!(find(json, "o").as_deref(), Some(r#"{"a":[1,"}"]}"#));
    assert_eq!(find(json, "s").as_deref(), Some("x"));
    assert_eq!(find(json, "a"), None);
}

#[test]
fn escapes_are_resolved_in_keys_and_values() {
    let json = r#"{"caf\u00e9":"\ud83d\ude00\n\"\\\/","b":"c"}"#;
    assert_eq!(find(json, "café").as_deref(), Some("😀\n\"\\/"));
    assert_eq!(find(json, "b").as_deref(), Some("c"));
    assert_eq!(find(r#"{"a":"\ud83d"}"#, "a"), None);
    assert_eq!(find(r#"{"a":"\x"}"#, "a"), None);
}

#[test]
fn text_that_is_not_an_object_has_no_keys() {
    for json in ["", "null", "[]", "{", "{}", "{\"a\"", "{\"a\":", "{\"a\":}", "\"a\"", "{a:1}"] {
        assert_eq!(find(json, "a"), None, "{json}");
    }
}

#[test]
fn control_characters_are_escaped() {
    let mut out = String::new();
    write_string(&mut out, "a\"\\\n\t\r\u{1}é");
    assert_eq!(out, r#""a\"\\\n\t\r\u0001é""#);
}
